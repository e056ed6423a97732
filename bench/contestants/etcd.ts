// etcd, a widely used store of this kind, through its JSON gateway. One member with its defaults: it syncs every commit
// to disk.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/support/free-port.ts";
import { startServer } from "../processes.ts";
import { type Contestant, expectOk } from "./contestant.ts";

export async function startEtcd(): Promise<Contestant> {
  const folder = mkdtempSync(join(tmpdir(), "memx-bench-etcd-"));
  const [port, peerPort] = [await freePort(), await freePort()];
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const server = await startServer(
    "etcd",
    [
      ...["--data-dir", folder, "--name", "bench", "--log-level", "error"],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `bench=${peer}`],
    ],
    {
      ready: () =>
        expectOk(`${client}/v3/kv/put`, { method: "POST", body: JSON.stringify({ key: base64("ready"), value: "" }) }),
    },
  );
  return {
    name: "etcd",
    port,
    headers: {},
    pids: [server.pid],
    output: server.output,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const base64 = (text: string) => Buffer.from(text).toString("base64");
