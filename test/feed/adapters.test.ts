// Streams over a channel's socket that breaks off, starts over, or ends with a full backlog. The test plays the
// channel.

import { expect, it } from "vitest";
import { eventStream } from "../../worker/streams/event-stream.ts";
import { longPoll } from "../../worker/streams/long-poll.ts";
import { request } from "../support/client.ts";

function playedChannel(): { channel: WebSocket; socket: WebSocket } {
  const { 0: socket, 1: channel } = new WebSocketPair();
  channel.accept();
  return { channel, socket };
}

const change = (key: string, revision: number, value: unknown = 1) =>
  JSON.stringify({ event: "value", action: "set", key, value, ts: 1, revision, previous: 0 });
const ready = (revision: number) => JSON.stringify({ event: "ready", revision });
const reset = (revision: number) => JSON.stringify({ event: "reset", revision });

it("a poll that gets a reset while it waits returns the whole snapshot and its revision", async () => {
  const { channel, socket } = playedChannel();
  const response = longPoll(socket, 5_000);
  for (const text of [ready(50), reset(90), change("a", 80), change("b", 60), ready(90)]) channel.send(text);
  expect(await response.json()).toMatchObject({ revision: 90, reset: true, changes: [{ key: "a" }, { key: "b" }] });
});

it("a poll that gets a reset and an empty snapshot returns at once", async () => {
  const { channel, socket } = playedChannel();
  const response = longPoll(socket, 60_000);
  for (const text of [ready(50), reset(90), ready(90)]) channel.send(text);
  expect(await response.json()).toEqual({ changes: [], revision: 90, reset: true });
});

it("a poll whose channel closes in the middle of a snapshot breaks off, so it does not look complete", async () => {
  const { channel, socket } = playedChannel();
  const response = longPoll(socket, 5_000);
  for (const text of [reset(90), change("a", 80)]) channel.send(text);
  channel.close(1013, "interrupted");
  await expect(response.text()).rejects.toThrow();
});

it.each([
  ["ends after everything that was sent before", 1013],
  ["ends", 1000],
])("an event stream whose channel closes on a full backlog %s", async (_, code) => {
  const { channel, socket } = playedChannel();
  const response = eventStream(socket, { since: 1 } as never);
  for (let revision = 1; revision <= 5; revision++) channel.send(change("a", revision, "x".repeat(600_000)));
  channel.close(code);
  const ids = [...(await response.text()).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(ids).toEqual([1, 2, 3, 4, 5]);
});

it("patterns that do not fit into an attachment are refused, and other subscribers are not affected", async () => {
  const pattern = `pattern=${"x".repeat(500)}${encodeURIComponent("я")}`;
  const query = Array.from({ length: 20 }, () => pattern).join("&");
  const response = await request("GET", `/watch?${query}`, { headers: { accept: "text/event-stream" } });
  expect(response.status).toBe(422);
  const fits = `/watch?${Array.from({ length: 11 }, () => pattern).join("&")}`;
  const stream = await request("GET", fits, { headers: { accept: "text/event-stream" } });
  expect(stream.status).toBe(200);
  await stream.body?.cancel();
});
