// An object with much to do lets other work in between, measured by a heart that beats once for each turn.

import { afterEach, expect, it, vi } from "vitest";
import { ChangeFilters } from "../../durable-objects/channel/change-filter.ts";
import { TURN_WORK, Turn } from "../../durable-objects/turn.ts";
import { createAgent } from "../support/agent.ts";

afterEach(() => void vi.restoreAllMocks());

/** Beats until it is stopped. */
function heart() {
  const state = { beats: 0, stop: () => clearTimeout(timer) };
  const beat = () => {
    state.beats++;
    timer = setTimeout(beat, 0);
  };
  let timer = setTimeout(beat, 0);
  return state;
}

it("a turn ends after as much work as a turn has, and others get in", async () => {
  const { beats } = await (async () => {
    const state = heart();
    const turn = new Turn();
    for (let n = 0; n < 100; n++) if (turn.isOver(TURN_WORK / 2)) await turn.end();
    state.stop();
    return state;
  })();
  expect(beats).toBeGreaterThan(10);
});

it("a snapshot with a hostile pattern, and a change to many subscribers with hostile patterns, take many turns", async () => {
  const agent = createAgent();
  // Neither matches, and both cost about as much as a pattern can.
  const patterns = Array.from({ length: 40 }, (_, n) => `*k?[!b]*${"?*".repeat(60)}${n}z`);
  const query = (own: string) =>
    [...patterns.slice(1), own].map((each) => `pattern=${encodeURIComponent(each)}`).join("&");
  for (let n = 0; n < 5; n++) {
    await agent.writeUnannounced(
      ...Array.from(
        { length: 100 },
        (_, m) => ({ op: "set", key: `k${n}-${m}-${"a".repeat(300)}`, value: "1", schemaRevision: 0 }) as const,
      ),
    );
  }
  const ends = vi.spyOn(Turn.prototype, "end");
  const client = await agent.connect(`/watch?${query("first")}&since=0`);
  await client.takeUntilReady();
  // 500 names, each about 6,000 units of work.
  expect(ends.mock.calls.length).toBeGreaterThanOrEqual(4);

  const clients = [];
  for (let n = 0; n < 120; n++) clients.push(await agent.connect(`/watch?${query(`own${n}*`)}`));
  ends.mockClear();
  const state = heart();
  await agent.set("own7", 1);
  expect(await clients[7]?.takeUntil(({ event }) => event === "value")).toHaveLength(2);
  await agent.settled();
  state.stop();
  expect(ends.mock.calls.length).toBeGreaterThanOrEqual(1);
  expect(state.beats).toBeGreaterThan(0);

  // Subscribers with an equal filter cost one decision, and so no turn.
  const equal = new ChangeFilters();
  const join = { namespace: "", key: "", keyHash: "", event: "value", scopes: ["*"], maxUnreadChars: 1, control: true };
  const filter = equal.of({ ...join, patterns } as never);
  const change = { key: "k", event: "value" } as const;
  filter.wants(change);
  expect(filter.knows(change)).toBe(true);
});
