// The state machine of a subscription alone. The test plays the feed and memX's replay.

import { expect, it } from "vitest";
import { Delivery, type DeliveryState } from "../../sdk/typescript/delivery.ts";
import { InvalidRequestError, NetworkError } from "../../sdk/typescript/errors.ts";
import type { ChangesPage, ValueSet } from "../../sdk/typescript/events.ts";

const change = (revision: number): ValueSet => ({
  event: "value",
  action: "set",
  key: "a",
  value: revision,
  ts: revision,
  revision,
  previous: revision - 1,
});
const page = (revisions: number[], revision: number, reset = false): ChangesPage => ({
  changes: revisions.map(change),
  revision,
  reset,
});

function start({ since, maxEvents = 3 }: { since?: number; maxEvents?: number } = {}) {
  /** The reads that wait for a response. */
  const reads: { since: number; respond: (page: ChangesPage) => void; fail: (error: unknown) => void }[] = [];
  const states: DeliveryState[] = [];
  const retries: unknown[] = [];
  const failures: unknown[] = [];
  const abort = new AbortController();
  const delivery = new Delivery({
    since,
    maxEvents,
    wants: ({ key }) => key === "a",
    readChanges: (since) => new Promise((respond, fail) => reads.push({ since, respond, fail })),
    signal: abort.signal,
    onState: () => states.push(delivery.state),
    onItem: () => {},
    onRetry: (error) => retries.push(error),
    onFailure: (error) => failures.push(error),
  });
  /** Responds to the next read, once there is one. */
  const respond = async (page: ChangesPage) => {
    await expect.poll(() => reads.length).toBeGreaterThan(0);
    const read = reads.shift();
    read?.respond(page);
    return read?.since;
  };
  const deliver = (...revisions: number[]) => {
    for (const revision of revisions) delivery.deliver(change(revision), 10);
  };
  const taken = () => {
    const items: (number | string)[] = [];
    for (let item = delivery.queue.shift(); item; item = delivery.queue.shift()) {
      items.push("reset" in item ? `reset ${item.reset}` : item.event.revision);
    }
    return items;
  };
  return { delivery, reads, states, retries, failures, abort, respond, deliver, taken };
}

it("drops changes from before it joined, and changes that arrive twice", () => {
  const { delivery, deliver, taken } = start();
  deliver(1);
  delivery.joined(5);
  deliver(4, 5, 6, 6, 7);
  expect(taken()).toEqual([6, 7]);
  expect(delivery.state).toBe("live");
});

it("puts live events that arrive during a catch-up after its page", async () => {
  const { delivery, respond, deliver, taken } = start({ since: 2 });
  delivery.joined(5);
  expect(delivery.state).toBe("catching up");
  deliver(6, 7);
  expect(await respond(page([3, 6], 6))).toBe(2);
  await expect.poll(() => delivery.state).toBe("live");
  expect(taken()).toEqual([3, 6, 7]);
});

it("reads again if the feed skips changes, or delivers too many, during a catch-up", async () => {
  const { delivery, reads, respond, deliver, taken } = start({ since: 2 });
  delivery.joined(5);
  delivery.missed();
  expect(await respond(page([3], 4))).toBe(2);
  await expect.poll(() => reads.length).toBe(1);
  // One more than there is room for.
  deliver(5, 6, 7, 8);
  expect(await respond(page([5], 5))).toBe(4);
  expect(await respond(page([6, 7, 8], 8))).toBe(5);
  await expect.poll(() => delivery.state).toBe("live");
  expect(taken()).toEqual([3, 5, 6, 7, 8]);
});

it("drops live events while it is behind, and fetches them once the queue is empty", async () => {
  const { delivery, reads, states, respond, deliver, taken } = start();
  delivery.joined(1);
  deliver(2, 3, 4, 5, 6);
  expect(delivery.state).toBe("behind");
  delivery.missed();
  delivery.joined(6);
  expect(reads).toHaveLength(0);
  expect(taken()).toEqual([2, 3, 4]);
  delivery.drained();
  expect(await respond(page([5, 6], 6))).toBe(4);
  await expect.poll(() => delivery.state).toBe("live");
  expect(taken()).toEqual([5, 6]);
  expect(states).toEqual(["live", "behind", "catching up", "live"]);
});

it("is behind at once if the events of a catch-up do not fit the queue", async () => {
  const { delivery, states, respond, deliver, taken } = start({ since: 1 });
  delivery.joined(3);
  deliver(4, 5);
  await respond(page([2, 3], 3));
  await expect.poll(() => delivery.state).toBe("behind");
  expect(taken()).toEqual([2, 3, 4]);
  // It was never live in between.
  expect(states).toEqual(["catching up", "behind", "behind"]);
});

it("marks a reset, unless it asked for a snapshot", async () => {
  for (const since of [0, 7]) {
    const { delivery, respond, taken } = start({ since });
    delivery.joined(9);
    await respond(page([5, 3], 9, true));
    await expect.poll(() => delivery.state).toBe("live");
    expect(taken()).toEqual(since === 0 ? [5, 3] : ["reset 9", 5, 3]);
  }
});

it("retries after a passing failure, and reports a final one", async () => {
  const { delivery, reads, retries, failures } = start({ since: 1 });
  delivery.joined(3);
  const passing = new NetworkError("network", "no response");
  reads.shift()?.fail(passing);
  await expect.poll(() => reads.length).toBe(1);
  expect(retries).toEqual([passing]);
  const final = new InvalidRequestError("invalid_request", "refused", { status: 422 });
  reads.shift()?.fail(final);
  await expect.poll(() => failures).toEqual([final]);
});

it("accepts nothing after its end", async () => {
  const { delivery, reads, failures, abort, deliver, taken } = start({ since: 1 });
  delivery.joined(3);
  delivery.end();
  abort.abort();
  reads.shift()?.respond(page([2], 3));
  await Promise.resolve();
  delivery.joined(4);
  deliver(5);
  delivery.drained();
  expect({ taken: taken(), failures, reads, state: delivery.state }).toEqual({
    taken: [],
    failures: [],
    reads: [],
    state: "ended",
  });
});

it("takes what a refresh finds, after the live events that arrive meanwhile, and stays live", async () => {
  const { delivery, respond, deliver, states, taken } = start();
  delivery.joined(5);
  const refreshed = delivery.refresh();
  deliver(6);
  expect(await respond(page([6, 7], 9))).toBe(5);
  await refreshed;
  deliver(7, 9, 10);
  expect(taken()).toEqual([6, 7, 10]);
  expect(new Set(states)).toEqual(new Set(["live"]));
  // A page that is older than the live events says nothing.
  const late = delivery.refresh();
  deliver(12);
  await respond(page([11], 11));
  await late;
  expect(delivery.cursor).toBe(12);
  expect(taken()).toEqual([12]);
});

it("catches up if a refresh finds a reset", async () => {
  const { delivery, respond, taken } = start();
  delivery.joined(5);
  const refreshed = delivery.refresh();
  await respond(page([8], 9, true));
  expect(delivery.state).toBe("catching up");
  await respond(page([8], 9, true));
  await refreshed;
  expect(taken()).toEqual(["reset 9", 8]);
  expect(delivery.cursor).toBe(9);
});

it("does not refresh unless it is live, and not after its end", async () => {
  const { delivery, reads, respond, taken } = start();
  await delivery.refresh();
  expect(reads).toEqual([]);
  delivery.joined(5);
  const refreshed = delivery.refresh();
  delivery.end();
  await respond(page([8], 9));
  await refreshed;
  expect(taken()).toEqual([]);
});
