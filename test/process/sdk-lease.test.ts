// Leases in Node: its timers and its processes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { MemX } from "../../sdk/typescript/index.ts";
import { freePort } from "../support/free-port.ts";
import { startWorkerd } from "./support/workerd.ts";

const apiKey = "local_dev_key";

it("renews a lease whose ttl is not a whole number", async () => {
  const { url: baseUrl } = await startWorkerd();
  const memx = new MemX({ apiKey, baseUrl });
  await using lease = await memx.lease("task:1:lease", { ttl: 10 / 3 });
  await expect.poll(() => lease.revision).toBeGreaterThan(lease.token);
  expect(lease.signal.aborted).toBe(false);
});

it("does not keep a process that has given up its claim", async () => {
  const sdk = new URL("../../sdk/typescript/index.ts", import.meta.url);
  const program = `
    import { MemX } from ${JSON.stringify(sdk)};
    const memx = new MemX({ baseUrl: "http://127.0.0.1:${await freePort()}", retries: 0 });
    await memx.lease("task:1:lease", { ttl: 31_536_000 }).catch((error) => console.log(error.code));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "exit");
  expect([code, output]).toEqual([0, "network\n"]);
});
