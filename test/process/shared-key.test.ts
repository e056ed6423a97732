// Many agents change one key at once. With /patch no change is lost; with a plain read and write most are. Runs on one
// memX, and on two that share a Redis.

import { beforeEach, describe, expect, it } from "vitest";
import { isLong } from "../support/long-runs.ts";
import { allAtOnce, append, increment, readAndSet, readValue, type Send, sender } from "./support/agents-at-work.ts";
import { startBridgedRedis } from "./support/bridged-redis.ts";
import { startWorkerd } from "./support/workerd.ts";

const AGENTS = isLong ? 32 : 12;
const INCREMENTS = isLong ? 100 : 20;
const ITEMS = isLong ? 50 : 10;

describe.each(["one memX", "two on one Redis"])("on %s", { tags: ["long"] }, (where) => {
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

  it(`${AGENTS} agents' ${INCREMENTS} increments each add up`, async ({ annotate }) => {
    const startMs = performance.now();
    const { repeated } = await allAtOnce(AGENTS, INCREMENTS, (agent) => increment(of(agent), "counter"));
    await annotate(`${Math.round(performance.now() - startMs)} ms, ${repeated} repeated by their agents`);
    for (const send of senders) expect(await readValue(send, "counter")).toBe(AGENTS * INCREMENTS);
  });

  it(`${AGENTS} agents' ${ITEMS} items are all there once, in each agent's order`, async () => {
    await allAtOnce(AGENTS, ITEMS, (agent, n) => append(of(agent), "list", `${agent}:${n}`));
    const items = (await readValue(of(0), "list")) as string[];
    expect(items).toHaveLength(AGENTS * ITEMS);
    expect(new Set(items).size).toBe(AGENTS * ITEMS);
    for (let agent = 0; agent < AGENTS; agent++) {
      const own = items.filter((item) => item.startsWith(`${agent}:`)).map((item) => Number(item.split(":")[1]));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
  });

  it("agents that read and then set overwrite each other's changes", async ({ annotate }) => {
    await allAtOnce(AGENTS, INCREMENTS, (agent) => readAndSet(of(agent), "counter"));
    const value = (await readValue(of(0), "counter")) as number;
    await annotate(`${AGENTS * INCREMENTS} increments resulted in ${value}`);
    expect(value).toBeLessThan(AGENTS * INCREMENTS);
  });
});
