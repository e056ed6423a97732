// Sends a command to a Redis directly, because the bridge runs only what memX needs.

import { createClient } from "redis";

export async function command(url: string, ...args: string[]): Promise<unknown> {
  const client = createClient({ url });
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}
