// A clock that was ahead and was then set right: nothing that was stored by it may count until it is caught up with.

import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { createAgent } from "../support/agent.ts";
import { captureLog } from "../support/capture-log.ts";
import { freshKey } from "../support/client.ts";
import { revoke } from "../support/grant.ts";

const settings = { ...env };
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(env, { MEMX_ACL: settings.MEMX_ACL });
});

const YEAR_MS = 365 * 86_400_000;

const topics = [
  ["a key", "a", "/subscribe/a"],
  ["a namespace", "", "/watch?pattern=*"],
] as const;

it.each(topics)("the channel of %s checks itself and its API keys within its interval", async (_, topic, path) => {
  const apiKey = freshKey();
  const agent = createAgent({ apiKey });
  const client = await agent.connect(path);
  await client.takeUntilReady();
  const isDue = () =>
    runInDurableObject(
      agent.channel(topic),
      async (__, { storage }) => ((await storage.getAlarm()) ?? Infinity) <= Date.now() + LIMITS.repairIntervalMs,
    );
  const setAhead = () =>
    runInDurableObject(agent.channel(topic), (__, { storage }) => storage.setAlarm(Date.now() + YEAR_MS));

  await setAhead();
  // A subscriber that joins, or an object that starts again, sets it right.
  const second = await agent.connect(path);
  await second.takeUntilReady();
  expect(await isDue()).toBe(true);
  await setAhead();
  await agent.hibernate(topic);
  await expect.poll(isDue).toBe(true);

  revoke(apiKey);
  await runDurableObjectAlarm(agent.channel(topic));
  for (const { closed } of [client, second]) expect((await closed).code).toBe(4403);
});

it("an outage of the source of API keys is not over before it has begun", async () => {
  const agent = createAgent();
  const { closed } = await agent.connect("/subscribe/a");
  const logged = captureLog();
  const outage = () => runInDurableObject(agent.channel("a"), (_, { storage }) => storage.kv.get<number>("outage"));
  const setOutage = (ms: number) =>
    runInDurableObject(agent.channel("a"), (_, { storage }) => storage.kv.put("outage", ms));
  Object.assign(env, { MEMX_ACL: "{" });
  await setOutage(Date.now() + YEAR_MS);
  await runDurableObjectAlarm(agent.channel("a"));
  await expect.poll(outage).toBeLessThanOrEqual(Date.now());
  await setOutage(Date.now() - LIMITS.accessOutageMs);
  await runDurableObjectAlarm(agent.channel("a"));
  expect((await closed).code).toBe(1013);
  expect(logged).toEqual(["recheck_failed"]);
});

it("a memx.v1 client that has gone is closed within five minutes of the right clock", async () => {
  const agent = createAgent();
  const { now } = Date;
  const client = await agent.connect("/subscribe/a");
  await client.takeUntilReady();
  const ring = async (atMs: number) => {
    await runInDurableObject(agent.channel("a"), (_, { storage }) => {
      // The platform's clock has not gone back, so it would ring at once.
      storage.setAlarm = async () => {};
    });
    await runInDurableObject(agent.channel("a"), (_, { storage }) => storage.deleteAlarm());
    const clock = vi.spyOn(Date, "now").mockImplementation(() => atMs);
    await runInDurableObject(agent.channel("a"), (channel) => channel.alarm());
    clock.mockRestore();
  };
  // The clock goes back by a year, after the client has come.
  const backMs = now() - YEAR_MS;
  await ring(backMs);
  expect(client.socket.readyState).toBe(WebSocket.OPEN);
  await ring(backMs + LIMITS.maxSilenceMs + 1);
  expect((await client.closed).code).toBe(1013);
});
