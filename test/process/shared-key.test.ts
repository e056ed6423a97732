// Many agents change one key at once. With /patch no change is lost; with a plain read and write most are. Runs on one
// memX, and on two that share a Redis.

import { beforeEach, describe, expect, it } from "vitest";
import { allAtOnce, append, increment, readAndSet, readValue, type Send, sender } from "./support/agents-at-work.ts";
import { startBridgedRedis } from "./support/bridged-redis.ts";
import { startWorkerd } from "./support/workerd.ts";

const AGENTS = 32;

describe.each(["one memX", "two on one Redis"])("on %s", (where) => {
  let senders: Send[];
  const of = (agent: number) => senders[agent % senders.length] as Send;

  beforeEach(async () => {
    if (where === "one memX") {
      senders = [sender((await startWorkerd()).url)];
      return;
    }
    const bindings = await startBridgedRedis();
    senders = [];
    for (let n = 0; n < 2; n++) senders.push(sender((await startWorkerd({ bindings })).url));
  });

  it("100 increments by each of 32 agents add up to 3,200", async ({ annotate }) => {
    const startMs = performance.now();
    const { repeated } = await allAtOnce(AGENTS, 100, (agent) => increment(of(agent), "counter"));
    await annotate(`${Math.round(performance.now() - startMs)} ms, ${repeated} repeated by their agents`);
    for (const send of senders) expect(await readValue(send, "counter")).toBe(3_200);
  });

  it("keeps the 50 items of each of 32 agents once, in each agent's order", async () => {
    await allAtOnce(AGENTS, 50, (agent, n) => append(of(agent), "list", `${agent}:${n}`));
    const items = (await readValue(of(0), "list")) as string[];
    expect(items).toHaveLength(1_600);
    expect(new Set(items).size).toBe(1_600);
    for (let agent = 0; agent < AGENTS; agent++) {
      const own = items.filter((item) => item.startsWith(`${agent}:`)).map((item) => Number(item.split(":")[1]));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
  });

  it("agents that read and then set overwrite each other's changes", async ({ annotate }) => {
    await allAtOnce(AGENTS, 100, (agent) => readAndSet(of(agent), "counter"));
    const value = (await readValue(of(0), "counter")) as number;
    await annotate(`3,200 increments resulted in ${value}`);
    expect(value).toBeLessThan(3_200);
  });
});
