// A subscriber that joins while something is under way, step by step where a crowd would rarely hit the moment.

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
  it.each(["", "since=0", "since="])("is not sent again what those before it had missed (%j)", async (since) => {
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

  // Redis has no method in this process that could be held back.
  it.skipIf(engine === "redis").each(["since=0", "since="])(
    "is sent once what is written between its registration and its reading of the store (%s)",
    async (since) => {
      const agent = createAgent();
      const { revision } = await agent.set("a", "seen");
      await agent.set("a", "held");
      let held = 0;
      let open = false;
      for (const method of ["readEntry", "readEntries", "readLog"] as const) {
        const original = EmbeddedStore.prototype[method] as (...args: unknown[]) => Promise<never>;
        vi.spyOn(EmbeddedStore.prototype, method).mockImplementation(async function (
          this: unknown,
          ...args: unknown[]
        ) {
          held++;
          while (!open) await scheduler.wait(1);
          return original.apply(this, args);
        });
      }
      const client = await agent.connect(`${path}${since}${since === "since=" ? revision : ""}`);
      await expect.poll(() => held).toBeGreaterThan(0);
      const during = await agent.set("a", "during");
      await agent.settled();
      expect(client.texts).toEqual([]);
      open = true;
      const events = await client.takeUntilReady();
      // A snapshot that is read after the write has nothing older to show.
      expect(events.map(({ value }) => value)).toEqual(
        since === "since=0" ? ["during", undefined] : ["held", "during", undefined],
      );
      expect(events.at(-1)?.revision).toBe(during.revision);
      await agent.set("a", "live");
      expect((await client.take(1)).map(({ value }) => value)).toEqual(["live"]);
    },
  );
});
