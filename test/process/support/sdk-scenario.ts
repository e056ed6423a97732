// What the SDK does in every runtime. Tests copy the function's text into pages and Workers, so it uses nothing from
// outside.

import type { MemX } from "../../../sdk/typescript/index.ts";

export async function runScenario(Client: typeof MemX, baseUrl: string, prefix: string): Promise<string[]> {
  const log: string[] = [];
  const memx = new Client({ baseUrl, apiKey: "local_dev_key" });
  const key = `${prefix}:goal`;
  const subscription = memx.watch(`${prefix}:*`);
  await subscription.ready;
  await memx.set(key, { x: 1 });
  await memx.update<{ x: number }>(key, (value) => ({ x: (value?.x ?? 0) + 1 }));
  await memx.increment(`${prefix}:count`, 2);
  const conflict = await memx.set(key, 0, { expect: 0 }).catch((error) => error);
  log.push(`${conflict.name} ${conflict.code} ${JSON.stringify(conflict.current.value)}`);
  const lease = await memx.lease(`${prefix}:lease`, { ttl: 10, holder: "me" });
  await lease.release();
  for await (const change of subscription) {
    log.push(`${change.key.slice(prefix.length)} ${change.action} ${JSON.stringify(change.value)}`);
    if (change.action === "delete") break;
  }
  for await (const listed of memx.keys({ prefix, values: true })) {
    log.push(`${listed.key.slice(prefix.length)} ${JSON.stringify(listed.value)}`);
  }
  memx.close();
  return log;
}

/** The result of the scenario. */
export const SCENARIO_LOG = [
  'ConflictError conflict {"x":2}',
  ':goal set {"x":1}',
  ':goal set {"x":2}',
  ":count set 2",
  ':lease set "me"',
  ":lease delete undefined",
  ":count 2",
  ':goal {"x":2}',
];
