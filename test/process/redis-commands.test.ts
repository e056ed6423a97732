// What a set costs inside Redis: the commands that its script runs, as Redis counts them.

import { expect, it } from "vitest";
import { command } from "./support/redis-command.ts";
import { startSelfHosted } from "./support/self-hosted.ts";

const SETS = 300;

it("a plain set runs nine commands in its script, and trims the log once in a while", async () => {
  const acl = { MEMX_ACL: JSON.stringify({ local_dev_key: ["*"] }), RATE_LIMIT: "0", LOG_LENGTH: "100" };
  const host = await startSelfHosted("redis", acl);
  try {
    const url = host.redis?.url as string;
    const set = () => host.call("/set", { body: '{"key":"a","value":1}' });
    for (let n = 0; n < 150; n++) await set();
    await command(url, "CONFIG", "RESETSTAT");
    for (let n = 0; n < SETS; n++) await set();
    const stats = String(await command(url, "INFO", "commandstats"));
    const calls = new Map(
      Array.from(stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm), ([, name = "", count]) => [name, Number(count)]),
    );
    expect(calls.get("evalsha")).toBe(SETS);
    for (const name of ["time", "mget", "hmget", "hget", "xadd", "mset"]) expect(calls.get(name), name).toBe(SETS);
    expect(calls.get("hset")).toBe(2 * SETS);
    for (const name of ["xrange", "hdel", "xtrim"]) {
      expect(calls.get(name), name).toBeGreaterThan(0);
      expect(calls.get(name), name).toBeLessThan(SETS / 5);
    }
    for (const name of ["hstrlen", "exists", "incrby", "del"]) expect(calls.get(name), name).toBeUndefined();
  } finally {
    await host.close();
  }
});
