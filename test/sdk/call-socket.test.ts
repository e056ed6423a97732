// The client's socket of calls: frames, bounds, renewal, and what a broken socket means. The suites of the client run over it
// too, in the project "socket". Where the server matters less than its timing, the test plays it.

import { expect, it } from "vitest";
import { splitFrame } from "../../sdk/protocol.ts";
import {
  ConflictError,
  NetworkError,
  RateLimitedError,
  TimeoutError,
  UnauthorizedError,
} from "../../sdk/typescript/index.ts";
import { JSON_CODEC } from "../../sdk/typescript/options.ts";
import { freshKey } from "../support/client.ts";
import { grant, revoke } from "../support/grant.ts";
import { connectPuppet, type Puppet } from "../support/puppet-socket.ts";
import { connectMemx } from "../support/sdk-client.ts";

const noHttp = () => {
  throw new Error("HTTP was used");
};

type Sent = {
  readonly id: number;
  readonly call: string;
  readonly body: { readonly key: string };
  readonly idempotency?: string;
};

function sentTo(socket: Puppet | undefined): Sent[] {
  return (socket?.sent ?? [])
    .filter((text) => text !== "ping")
    .flatMap((frame) => splitFrame(frame).map((text) => JSON.parse(text)));
}

const hear = (socket: Puppet | undefined, data: string) => socket?.emit("message", { data });

function open(socket: Puppet | undefined): void {
  socket?.emit("open");
  hear(socket, "pong");
}

const OK = '{"ok":true,"updated":true,"revision":1,"ts":1}';
const answer = (socket: Puppet | undefined, ids: readonly number[], body = OK) =>
  hear(socket, ids.map((id) => `{"id":${id},"status":200,"body":${body}}`).join("\n"));

/** A client whose first socket is open. */
async function openPuppet(options = {}) {
  const puppet = connectPuppet(noHttp, { calls: "socket", ...options });
  const first = puppet.memx.get("a");
  await expect.poll(() => puppet.sockets.length).toBe(1);
  open(puppet.sockets[0]);
  await expect.poll(() => sentTo(puppet.sockets[0])).toHaveLength(1);
  hear(puppet.sockets[0], '{"id":1,"status":200,"body":null}');
  expect(await first).toBeNull();
  return puppet;
}

it("sends the calls of a turn in one frame, with the bodies and keys that HTTP has", async () => {
  const { memx, sockets } = await openPuppet({ agent: "planner" });
  const calls = [memx.set("a", 1, { idempotencyKey: "k" }), memx.get("b"), memx.deleteSchema("c", { expect: 4 })];
  await expect.poll(() => sockets[0]?.sent.length).toBe(3);
  expect(sockets[0]?.sent[2]).toBe(
    [
      '{"id":2,"call":"set","idempotency":"k","agent":"planner","body":{"key":"a","value":1}}',
      '{"id":3,"call":"get","body":{"key":"b"}}',
      `{"id":4,"call":"schema_delete","idempotency":"${sentTo(sockets[0])[3]?.idempotency}","agent":"planner","body":{"key":"c","expect":4}}`,
    ].join("\n"),
  );
  answer(sockets[0], [4, 2]);
  hear(sockets[0], '{"id":3,"status":200,"body":null}\n{"event":"later"}');
  expect(await Promise.all(calls)).toEqual([JSON.parse(OK), null, JSON.parse(OK)]);
});

it("splits what is too large for a frame, and sends what is too large for a message by HTTP", async () => {
  const bodies: unknown[] = [];
  const { memx, sockets, requests } = connectPuppet(
    (_, { body }) => {
      bodies.push(body);
      return Response.json(JSON.parse(OK));
    },
    { calls: "socket" },
  );
  const half = "ü".repeat(270_000);
  const calls = [memx.set("a", half), memx.set("b", half), memx.set("c", `${half}${half}`)];
  await expect.poll(() => sockets.length).toBe(1);
  open(sockets[0]);
  await expect.poll(() => sockets[0]?.sent.length).toBe(3);
  expect(sentTo(sockets[0]).map(({ body }) => body.key)).toEqual(["a", "b"]);
  answer(sockets[0], [1, 2]);
  await Promise.all(calls);
  expect(requests).toEqual(["POST /set"]);
  expect(bodies).toHaveLength(1);
});

it("waits with calls beyond the bound until others are answered, and keeps their order", async () => {
  const { memx, sockets } = await openPuppet({ timeoutMs: 25_000 });
  const keys = Array.from({ length: 2_500 }, (_, n) => `k${n}`);
  const calls = Promise.all(keys.map((key) => memx.set(key, 1)));
  await expect.poll(() => sentTo(sockets[0]).length).toBe(1_001);
  for (let answered = 1; answered < 2_501; answered += 500) {
    const ids = Array.from({ length: 500 }, (_, n) => answered + 1 + n);
    answer(sockets[0], ids);
    await expect.poll(() => sentTo(sockets[0]).length).toBe(Math.min(2_501, answered + 1_500));
  }
  await calls;
  expect(
    sentTo(sockets[0])
      .slice(1)
      .map(({ body }) => body.key),
  ).toEqual(keys);
});

it("does not ask for more values together than memX lets be unread", async () => {
  const { memx, sockets } = await openPuppet();
  const large = memx.get("large");
  await expect.poll(() => sentTo(sockets[0]).length).toBe(2);
  const body = `{"value":"${"x".repeat(1_000_000)}","ts":1,"revision":1,"created":1}`;
  answer(sockets[0], [2], body);
  await large;
  const calls = Promise.all(Array.from({ length: 20 }, () => memx.get("large")));
  for (let id = 3; id < 23; id++) {
    await expect.poll(() => sentTo(sockets[0]).length).toBeGreaterThanOrEqual(id);
    // The room for the others depends on the sizes so far.
    expect(sentTo(sockets[0]).length).toBeLessThanOrEqual(id + 4);
    answer(sockets[0], [id], body);
  }
  await calls;
});

it("asks for few values before it knows how large they are", async () => {
  const { memx, sockets } = await openPuppet();
  const calls = Promise.all(Array.from({ length: 100 }, (_, n) => memx.get(`k${n}`)));
  await expect.poll(() => sentTo(sockets[0]).length).toBeGreaterThan(10);
  // At most 256 KiB each.
  expect(sentTo(sockets[0]).length).toBeLessThan(20);
  for (let id = 2; id < 102; id++) {
    await expect.poll(() => sentTo(sockets[0]).length).toBeGreaterThanOrEqual(id);
    answer(sockets[0], [id], "null");
  }
  await calls;
});

it("opens the next socket when memX asks for it, and the old one finishes", async () => {
  const { memx, sockets } = await openPuppet();
  const early = memx.set("a", 1);
  await expect.poll(() => sentTo(sockets[0]).length).toBe(2);
  hear(sockets[0], '{"event":"renew"}');
  expect(sockets).toHaveLength(2);
  const late = memx.set("b", 2);
  open(sockets[1]);
  await expect.poll(() => sentTo(sockets[1]).map(({ body }) => body.key)).toEqual(["b"]);
  expect(sockets[0]?.closed).toBe(false);
  answer(sockets[0], [2]);
  expect(await early).toEqual(JSON.parse(OK));
  expect(sockets[0]?.closed).toBe(true);
  answer(sockets[1], [1]);
  expect(await late).toEqual(JSON.parse(OK));
});

it("still answers a call that got its place just before memX asked for the next socket", async () => {
  const { memx, sockets } = await openPuppet({ retries: 0, timeoutMs: 25_000 });
  const calls = Promise.all(Array.from({ length: 1_001 }, (_, n) => memx.set(`k${n}`, 1)));
  await expect.poll(() => sentTo(sockets[0]).length).toBe(1_001);
  const answers = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, n) => `{"id":${from + n},"status":200,"body":${OK}}`).join("\n");
  hear(sockets[0], `${answers(2, 1_002)}\n{"event":"renew"}`);
  await expect.poll(() => sentTo(sockets[0]).length).toBe(1_002);
  hear(sockets[0], answers(1_002, 1_003));
  expect(await calls).toHaveLength(1_001);
  expect(sockets[0]?.closed).toBe(true);
});

it("sends what a broken socket left without an answer again, under the same idempotency key", async () => {
  const { memx, sockets } = await openPuppet();
  const call = memx.set("a", 1);
  await expect.poll(() => sentTo(sockets[0]).length).toBe(2);
  sockets[0]?.emit("close", { code: 1006, reason: "" });
  await expect.poll(() => sockets.length).toBe(2);
  open(sockets[1]);
  await expect.poll(() => sentTo(sockets[1]).length).toBe(1);
  const [first, again] = [sentTo(sockets[0])[1], sentTo(sockets[1])[0]];
  expect(again?.idempotency).toMatch(/^[0-9a-f]{32}$/);
  expect(again?.idempotency).toBe(first?.idempotency);
  answer(sockets[1], [again?.id ?? 0]);
  expect(await call).toEqual(JSON.parse(OK));
});

it.each([
  ["bytes", new Uint8Array([1])],
  ["no answer", "hello"],
  ["an answer to no call", '{"id":99,"status":200,"body":null}'],
])("ends a socket that sends %s", async (_, data) => {
  const { memx, sockets } = await openPuppet({ retries: 0 });
  const call = memx.get("a");
  await expect.poll(() => sentTo(sockets[0]).length).toBe(2);
  sockets[0]?.emit("message", { data });
  await expect(call).rejects.toBeInstanceOf(NetworkError);
  expect(sockets[0]?.closed).toBe(true);
});

it.each([
  [4401, UnauthorizedError, "missing_api_key", 401],
  [4403, UnauthorizedError, "invalid_api_key", 403],
  [4429, RateLimitedError, "rate_limited", 429],
  [4422, NetworkError, "network", undefined],
  [1012, NetworkError, "network", undefined],
])("reads the close code %d as HTTP's error", async (code, Class, errorCode, status) => {
  const { memx, sockets } = await openPuppet({ retries: 0 });
  const call = memx.get("a");
  await expect.poll(() => sentTo(sockets[0]).length).toBe(2);
  sockets[0]?.emit("close", { code, reason: "why" });
  const error = await call.catch((reason) => reason);
  expect(error).toBeInstanceOf(Class);
  expect(error).toMatchObject({ code: errorCode, status, key: "a" });
});

it("reports a call that memX does not answer in time, and gives later calls another socket", async () => {
  const { memx, sockets } = await openPuppet({ timeoutMs: 50, retries: 0 });
  await expect(memx.get("a")).rejects.toBeInstanceOf(TimeoutError);
  expect(sockets[0]?.closed).toBe(true);
  const next = memx.get("b").catch((reason) => reason);
  expect(sockets).toHaveLength(2);
  // The next one does not open.
  expect(await next).toBeInstanceOf(TimeoutError);
});

it("gives up a call when its signal aborts, and takes its answer for nobody", async () => {
  const { memx, sockets } = await openPuppet();
  const abort = new AbortController();
  const reason = new Error("enough");
  const [gone, unsent] = [memx.get("a", { signal: abort.signal }), new AbortController()];
  await expect.poll(() => sentTo(sockets[0]).length).toBe(2);
  abort.abort(reason);
  await expect(gone).rejects.toBe(reason);
  const never = memx.get("never", { signal: unsent.signal });
  unsent.abort(reason);
  await expect(never).rejects.toBe(reason);
  const kept = memx.get("b");
  await expect.poll(() => sentTo(sockets[0]).length).toBe(3);
  const ids = sentTo(sockets[0]).map(({ id }) => id);
  hear(sockets[0], `{"id":${ids[1]},"status":200,"body":null}\n{"id":${ids[2]},"status":200,"body":null}`);
  expect(await kept).toBeNull();
  expect(sentTo(sockets[0]).map(({ body }) => body.key)).toEqual(["a", "a", "b"]);
});

it("pings a socket that has read much, and not before the pong", async () => {
  const { memx, sockets } = await openPuppet();
  const body = `{"value":"${"x".repeat(300_000)}","ts":1,"revision":1,"created":1}`;
  for (let id = 2; id < 5; id++) {
    const call = memx.get("a");
    await expect.poll(() => sentTo(sockets[0]).length).toBe(id);
    answer(sockets[0], [id], body);
    await call;
  }
  const pings = () => sockets[0]?.sent.filter((text) => text === "ping").length;
  expect(pings()).toBe(2);
  hear(sockets[0], "pong");
  const call = memx.get("a");
  await expect.poll(() => sentTo(sockets[0]).length).toBe(5);
  answer(sockets[0], [5], body);
  await call;
  expect(pings()).toBe(3);
});

it.each(["http", "socket"] as const)("hands the current value of a conflict to its codec by %s", async (calls) => {
  const texts: string[] = [];
  const parse = (text: string) => {
    texts.push(text);
    return JSON.parse(text);
  };
  const codec = { [JSON_CODEC]: { parse, stringify: (value: { raw?: string }) => value.raw ?? JSON.stringify(value) } };
  const { memx } = connectMemx({ calls, ...codec });
  const key = freshKey();
  await memx.set(key, 1);
  await expect(memx.set(key, 2, { expect: 0 })).rejects.toBeInstanceOf(ConflictError);
  expect(texts.at(-1)).toContain('"current":{"value":1,');
});

it("loses its API key as over HTTP", async () => {
  const apiKey = freshKey();
  grant({ [apiKey]: { read: ["*"], write: ["*"], user_id: freshKey() } });
  const { memx } = connectMemx({ apiKey, calls: "socket" });
  await memx.set(freshKey(), 1);
  revoke(apiKey);
  for (let n = 0; n < 2; n++) {
    const error = await memx.get(freshKey()).catch((reason) => reason);
    expect(error).toBeInstanceOf(UnauthorizedError);
    expect(error).toMatchObject({ code: "invalid_api_key", status: 403 });
  }
});
