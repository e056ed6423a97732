// A Redis Cluster of three masters with a replica each, all on this machine.

import { expect } from "vitest";
import { freePort } from "../../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../../support/patience.ts";
import { type RedisServer, startRedisServer } from "../../support/redis-server.ts";
import { command } from "./redis-command.ts";

const MASTERS = 3;
const SLOTS = 16_384;

export type RedisClusterServers = {
  /** The addresses of all servers, separated by commas. */
  readonly url: string;
  /** Kills the master that has the key, and resolves when its replica has taken its place. */
  failOver(key: string): Promise<void>;
  stop(): Promise<void>;
};

export async function startRedisCluster(): Promise<RedisClusterServers> {
  const servers: (RedisServer & { readonly busPort: number; readonly id: string })[] = [];
  for (let n = 0; n < 2 * MASTERS; n++) {
    const busPort = await freePort();
    const options = { "cluster-enabled": "yes", "cluster-port": String(busPort), "cluster-node-timeout": "2000" };
    const server = await startRedisServer({
      args: Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    });
    servers.push({ ...server, busPort, id: String(await command(server.url, "CLUSTER", "MYID")) });
  }
  const first = servers[0] as (typeof servers)[number];
  for (const { port, busPort } of servers.slice(1)) {
    await command(first.url, "CLUSTER", "MEET", "127.0.0.1", String(port), String(busPort));
  }
  const masters = servers.slice(0, MASTERS);
  for (const [n, { url }] of masters.entries()) {
    const [from, to] = [Math.ceil((n * SLOTS) / MASTERS), Math.ceil(((n + 1) * SLOTS) / MASTERS) - 1];
    await command(url, "CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
  }
  for (const [n, { url }] of servers.slice(MASTERS).entries()) {
    const { id } = masters[n] as (typeof servers)[number];
    const replicate = () => command(url, "CLUSTER", "REPLICATE", id).catch(String);
    await expect.poll(replicate, { timeout: LONG_PATIENCE_MS }).toBe("OK");
  }
  const states = async () =>
    Promise.all(servers.map(async ({ url }) => String(await command(url, "CLUSTER", "INFO")).split("\r\n")[0]));
  await expect.poll(states, { timeout: LONG_PATIENCE_MS }).toEqual(servers.map(() => "cluster_state:ok"));
  const links = async () =>
    Promise.all(servers.slice(MASTERS).map(async ({ url }) => String(await command(url, "INFO", "replication"))));
  const isLinked = async () => (await links()).every((info) => info.includes("master_link_status:up"));
  await expect.poll(isLinked, { timeout: LONG_PATIENCE_MS }).toBe(true);
  return {
    url: servers.map(({ url }) => url).join(","),
    async failOver(key) {
      const slot = Number(await command(first.url, "CLUSTER", "KEYSLOT", key));
      const n = Math.floor((slot * MASTERS) / SLOTS);
      const replica = servers[MASTERS + n] as RedisServer;
      await masters[n]?.stop("SIGKILL");
      const role = async () => ((await command(replica.url, "ROLE")) as string[])[0];
      await expect.poll(role, { timeout: LONG_PATIENCE_MS }).toBe("master");
    },
    async stop() {
      for (const server of servers) await server.stop("SIGKILL");
    },
  };
}
