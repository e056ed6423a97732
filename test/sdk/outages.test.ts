// What a subscription does while memX is out of reach, or is not memX: it keeps trying, says why, and throws nothing into a
// callback. The test plays the server.

import { expect, it } from "vitest";
import {
  InvalidRequestError,
  type MemxError,
  NetworkError,
  type Subscription,
  type SubscriptionStatus,
  TimeoutError,
  UnauthorizedError,
  UnavailableError,
} from "../../sdk/typescript/index.ts";
import { connectPuppet, type Puppet } from "../support/puppet-socket.ts";

const ready = (socket: Puppet | undefined, revision = 1) => {
  socket?.emit("open");
  socket?.emit("message", { data: JSON.stringify({ event: "ready", revision }) });
};
const cut = (socket: Puppet | undefined) => socket?.emit("close", { code: 1006, reason: "" });
const memx = () => Response.json({ changes: [], revision: 1, reset: false });
const problem = (status: number, code: string, detail: string) => () => Response.json({ code, detail }, { status });
const noServer = () => {
  throw Object.assign(new TypeError("fetch failed"), { cause: new Error("connect ECONNREFUSED 127.0.0.1:9") });
};
const never = (_: string, { signal }: RequestInit) =>
  new Promise<Response>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
const html = (status: number) => () =>
  new Response("<!doctype html>", { status, headers: { "content-type": "text/html" } });

function watchStatus() {
  const log: [SubscriptionStatus, MemxError | undefined][] = [];
  return { log, onStatus: (status: SubscriptionStatus, error?: MemxError) => log.push([status, error]) };
}

it.each<[string, () => Response, new (...args: never[]) => MemxError, string]>([
  ["no server", noServer, NetworkError, "memX cannot be reached at http://memx: connect ECONNREFUSED 127.0.0.1:9"],
  ["a page of HTML", html(200), NetworkError, "The response of http://memx is incomplete or does not come from memX."],
  [
    "status 404",
    html(404),
    InvalidRequestError,
    "The response of http://memx has status 404 and does not come from memX.",
  ],
  ["another service", () => Response.json({ hello: 1 }), NetworkError, "does not come from memX"],
  [
    "memX without a store",
    problem(503, "store_unavailable", "The store is away."),
    UnavailableError,
    "The store is away.",
  ],
  ["a proxy that passes no WebSocket", memx, NetworkError, "memX responds over HTTP, but the WebSocket does not open."],
])("says that it found %s, and keeps trying", async (_, respond, Class, message) => {
  let server = respond;
  const { sockets, memx: client } = connectPuppet(() => server());
  const { log, onStatus } = watchStatus();
  const subscription = client.watch("a", { onStatus });
  for (let failures = 1; failures <= 2; failures++) {
    await expect.poll(() => sockets.length).toBe(failures);
    cut(sockets.at(-1));
    await expect.poll(() => log.length).toBeGreaterThanOrEqual(failures);
    expect(subscription.lastError).toBe(log.at(-1)?.[1]);
  }
  await expect.poll(() => sockets.length).toBe(3);
  for (const [status, error] of log) {
    expect(status).toBe("connecting");
    expect(error).toBeInstanceOf(Class);
    expect(error?.message).toContain(message);
  }
  server = memx;
  ready(sockets[2]);
  await subscription.ready;
  await expect.poll(() => log.at(-1)).toEqual(["live", undefined]);
  expect(subscription.lastError).toBeUndefined();
});

it("ends if memX refuses over HTTP what its WebSocket does not say", async () => {
  const { sockets, memx: client } = connectPuppet(problem(403, "invalid_api_key", "Invalid API key."));
  const { done } = client.watch("a");
  await expect.poll(() => sockets.length).toBe(1);
  cut(sockets[0]);
  await expect(done).rejects.toBeInstanceOf(UnauthorizedError);
});

it("ends with the refusal of HTTP after a close code that may mean two", async () => {
  const { sockets, memx: client } = connectPuppet(problem(403, "forbidden", "The API key must not read this."));
  const { done } = client.watch("a");
  await expect.poll(() => sockets.length).toBe(1);
  sockets[0]?.emit("close", { code: 4403, reason: "Not allowed." });
  await expect(done).rejects.toMatchObject({ code: "forbidden", name: "ForbiddenError" });
});

it("ends with the close code if HTTP does not explain it", async () => {
  for (const respond of [memx, noServer]) {
    const { sockets, memx: client } = connectPuppet(respond);
    const { done } = client.watch("a");
    await expect.poll(() => sockets.length).toBe(1);
    sockets[0]?.emit("close", { code: 4403, reason: "Not allowed." });
    await expect(done).rejects.toMatchObject({ code: "invalid_api_key", message: "Not allowed." });
    expect(sockets).toHaveLength(1);
  }
});

it("says that a live subscription has lost its connection, and why", async () => {
  const { sockets, memx: client } = connectPuppet(memx);
  const { log, onStatus } = watchStatus();
  const subscription = client.watch("a", { onStatus });
  await expect.poll(() => sockets.length).toBe(1);
  ready(sockets[0]);
  await subscription.ready;
  sockets[0]?.emit("close", { code: 1012, reason: "restarting" });
  expect(subscription.status).toBe("connecting");
  expect(subscription.lastError).toMatchObject({ code: "network", message: expect.stringMatching(/1012.*restarting/) });
  await expect.poll(() => log.map(([status]) => status)).toEqual(["live", "connecting"]);
  expect(log[1]?.[1]).toBe(subscription.lastError);
});

it("says it to a new subscription whose socket does not open, and not to those that are live", async () => {
  let server: () => Response = memx;
  const { sockets, memx: client } = connectPuppet(() => server());
  const first = client.watch("a");
  await expect.poll(() => sockets.length).toBe(1);
  ready(sockets[0]);
  await first.ready;
  server = noServer;
  const second = client.watch("b");
  await expect.poll(() => sockets.length).toBe(2);
  cut(sockets[1]);
  await expect.poll(() => second.lastError).toBeInstanceOf(NetworkError);
  expect([first.status, first.lastError]).toEqual(["live", undefined]);
});

it("asks nothing more once the last subscription has closed", async () => {
  let signal: AbortSignal | null | undefined;
  const { sockets, memx: client } = connectPuppet((_, init) => {
    signal = init.signal;
    return new Promise(() => {});
  });
  const { log, onStatus } = watchStatus();
  const subscription = client.watch("a", { onStatus });
  await expect.poll(() => sockets.length).toBe(1);
  cut(sockets[0]);
  await expect.poll(() => signal).toBeDefined();
  subscription.close();
  await expect.poll(() => signal?.aborted).toBe(true);
  await expect.poll(() => log).toEqual([["closed", undefined]]);
});

it("says why it does not know yet whether the API key may read a key", async () => {
  let respond: () => Response = html(404);
  const { sockets, memx: client } = connectPuppet(() => respond());
  const { log, onStatus } = watchStatus();
  const subscription = client.subscribe("a", { onStatus });
  await expect.poll(() => sockets.length).toBe(1);
  ready(sockets[0]);
  await expect.poll(() => log.length).toBeGreaterThan(0);
  expect(log[0]?.[1]).toMatchObject({ code: "unexpected_answer", status: 404 });
  expect(subscription.status).toBe("connecting");
  respond = () => Response.json({ scopes: { read: ["*"], write: [] } });
  await subscription.ready;
  expect(subscription.lastError).toBeUndefined();
});

it("says why it cannot catch up", async () => {
  let respond: () => Response = () => Response.json({ hello: 1 });
  const { sockets, memx: client } = connectPuppet(() => respond(), { retries: 0 });
  const { log, onStatus } = watchStatus();
  const subscription = client.watch("a", { snapshot: true, onStatus });
  await expect.poll(() => sockets.length).toBe(1);
  ready(sockets[0]);
  await expect.poll(() => log.length).toBeGreaterThan(0);
  expect(log[0]).toEqual(["connecting", expect.any(NetworkError)]);
  respond = memx;
  await subscription.ready;
});

it.each([
  "not JSON",
  "",
  "null",
  "5",
  "[]",
  "{}",
  '{"event":"ready"}',
  '{"event":"ready","revision":"1"}',
  '{"event":"reset","revision":1.5}',
  '{"event":"value","action":"set","value":1,"ts":1,"revision":7,"previous":0}',
  '{"event":"value","action":"set","key":5,"value":1,"ts":1,"revision":7,"previous":0}',
  '{"event":"schema","action":"set","key":"a","schema":true,"ts":1,"previous":0}',
])("ends the socket and reconnects after the frame %s", async (data) => {
  const { sockets, memx: client } = connectPuppet(memx);
  const received: unknown[] = [];
  const subscription = client.watch("*", (event) => received.push(event), { event: "all" });
  await expect.poll(() => sockets.length).toBe(1);
  ready(sockets[0]);
  await subscription.ready;
  expect(() => sockets[0]?.emit("message", { data })).not.toThrow();
  expect(sockets[0]?.closed).toBe(true);
  expect(subscription.lastError?.message).toBe("A message of the WebSocket does not come from memX.");
  await expect.poll(() => sockets.length).toBe(2);
  // It begins where the last valid frame was.
  expect(new URL(sockets[1]?.url as string).searchParams.get("since")).toBe("1");
  ready(sockets[1], 2);
  await expect.poll(() => subscription.status).toBe("live");
  expect(received).toEqual([]);
});

it("ends the socket and reconnects after a frame of bytes", async () => {
  const { sockets, memx: client } = connectPuppet(memx);
  const subscription = client.watch("*");
  await expect.poll(() => sockets.length).toBe(1);
  sockets[0]?.emit("message", { data: new Blob(["{}"]) });
  expect(sockets[0]?.closed).toBe(true);
  await expect.poll(() => subscription.lastError).toBeDefined();
});

it("reconnects if the socket throws as it pings", async () => {
  const { sockets, memx: client } = connectPuppet(memx, { pingIntervalMs: 20 });
  const subscription = client.watch("*");
  await expect.poll(() => sockets.length).toBe(1);
  (sockets[0] as { send: unknown }).send = () => {
    throw new Error("cannot send");
  };
  ready(sockets[0]);
  await expect.poll(() => sockets.length).toBe(2);
  ready(sockets[1]);
  await expect.poll(() => subscription.status).toBe("live");
});

it("says that a handshake got no response", async () => {
  const { sockets, memx: client } = connectPuppet(never, { pingTimeoutMs: 20, timeoutMs: 20 });
  const subscription: Subscription = client.watch("*");
  await expect.poll(() => subscription.lastError).toBeInstanceOf(TimeoutError);
  expect(sockets[0]?.closed).toBe(true);
});

it.each([
  ["not an array", { changes: 5, revision: 1, reset: false }],
  ["without a revision", { changes: [], reset: false }],
  [
    "with a change that has no key",
    { changes: [{ event: "value", action: "set", revision: 2 }], revision: 2, reset: false },
  ],
])("asks again after a page of changes that is %s", async (_, page) => {
  let pages = 0;
  const { sockets, memx: client } = connectPuppet((url) =>
    url.includes("since=0") && pages++ === 0 ? Response.json(page) : memx(),
  );
  const subscription = client.watch("*", { snapshot: true });
  await expect.poll(() => sockets.length).toBe(1);
  ready(sockets[0]);
  await subscription.ready;
  expect(pages).toBe(2);
});

it.each([["keys"], ["history"], ["get"], ["set"], ["health"]] as const)(
  "rejects %s with a NetworkError if another service responds",
  async (name) => {
    const { memx: client } = connectPuppet(() => Response.json({ hello: 1 }), { retries: 0 });
    const calls = {
      keys: () => Array.fromAsync(client.keys()),
      history: () => Array.fromAsync(client.history("a")),
      get: () => client.get("a"),
      set: () => client.set("a", 1),
      health: () => client.health(),
    };
    await expect(calls[name]()).rejects.toBeInstanceOf(NetworkError);
  },
);
