// A subscriber that joins while something else is under way. Done step by step, because a load test rarely hits the
// moment.

import { afterEach, describe, expect, it, vi } from "vitest";
import { EmbeddedStore } from "../../durable-objects/embedded-store/embedded-store.ts";
import { createAgent, setOperation } from "../support/agent.ts";
import { engine } from "../support/engine.ts";

afterEach(() => void vi.restoreAllMocks());

const topics = [
  ["a key", "/subscribe/a?"],
  ["a namespace", "/watch?pattern=a&"],
] as const;

describe.each(topics)("a newcomer at the channel of %s", (_, path) => {
  it.each(["", "since=0", "since="])("does not get again what earlier subscribers had missed (%j)", async (since) => {
    const agent = createAgent();
    const early = await agent.connect(path);
    const { revision } = await agent.set("a", "seen");
    await early.take(2);
    await agent.writeUnannounced(setOperation("a", "missed"));
    const late = await agent.connect(`${path}${since}${since === "since=" ? revision : ""}`);
    const joined = await late.takeUntilReady();
    expect(joined.map(({ value }) => value)).toEqual(since === "" ? [undefined] : ["missed", undefined]);
    await agent.set("a", "live");
    expect((await early.take(2)).map(({ value }) => value)).toEqual(["missed", "live"]);
    expect((await late.take(1)).map(({ value }) => value)).toEqual(["live"]);
  });

  // Redis has no method in this process that a test could delay.
  it.skipIf(engine === "redis").each(["since=0", "since="])(
    "gets a change between its registration and its read of the store once (%s)",
    async (since) => {
      const agent = createAgent();
      const { revision } = await agent.set("a", "seen");
      await agent.set("a", "stored");
      let waiting = 0;
      let open = false;
      for (const method of ["readNames", "readEntries", "scanLog", "readChanges", "readLog"] as const) {
        const original = EmbeddedStore.prototype[method] as (...args: unknown[]) => Promise<never>;
        vi.spyOn(EmbeddedStore.prototype, method).mockImplementation(async function (
          this: unknown,
          ...args: unknown[]
        ) {
          waiting++;
          while (!open) await scheduler.wait(1);
          return original.apply(this, args);
        });
      }
      const client = await agent.connect(`${path}${since}${since === "since=" ? revision : ""}`);
      await expect.poll(() => waiting).toBeGreaterThan(0);
      const during = await agent.set("a", "during");
      await agent.settled();
      expect(client.texts).toEqual([]);
      open = true;
      const events = await client.takeUntilReady();
      // A snapshot that is read after the write no longer contains the older value.
      expect(events.map(({ value }) => value)).toEqual(
        since === "since=0" ? ["during", undefined] : ["stored", "during", undefined],
      );
      expect(events.at(-1)?.revision).toBe(during.revision);
      await agent.set("a", "live");
      expect((await client.take(1)).map(({ value }) => value)).toEqual(["live"]);
    },
  );
});
