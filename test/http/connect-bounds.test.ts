// The bounds of a socket of calls. Each test fails without its bound.

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { createAgent } from "../support/agent.ts";
import { connectCalls } from "../support/call-socket.ts";
import { captureLog } from "../support/capture-log.ts";
import { freshKey, get, getText } from "../support/client.ts";
import { fetchWith } from "../support/fetch-with.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

type Call = [name: string, body: object];

/** Holds every request that sockets make to the store, until `release`. */
function holdStore(settings: Env = env) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const store = openStore(settings);
  const { many, readMany } = store;
  const after = <A extends unknown[], R>(method: (...args: A) => Promise<R>) => {
    return (...args: A) => promise.then(() => method(...args));
  };
  return {
    many: vi.spyOn(store, "many").mockImplementation(after(many)),
    readMany: vi.spyOn(store, "readMany").mockImplementation(after(readMany)),
    release: resolve,
  };
}

const connectHere = () => connectCalls({ fetch: fetchWith(env) });

/** Resolves when memX has read every frame before. */
async function settled({ socket, texts }: Awaited<ReturnType<typeof connectCalls>>): Promise<void> {
  const pongs = () => texts.filter((text) => text === "pong").length;
  const before = pongs();
  socket.send("ping");
  await expect.poll(pongs, { interval: 5 }).toBe(before + 1);
}

describe("a frame", () => {
  const get = (padding: string) => `{"id":1,"call":"get","body":{"key":"a"}${padding}}`;
  const room = LIMITS.maxFrameBytes - get("").length;

  it("may have 1 MiB", async () => {
    const { socket, line } = await connectCalls();
    socket.send(get(" ".repeat(room)));
    expect(await line(1)).toContain('"status":200');
  });

  const many = Array(LIMITS.maxFrameCalls + 1).fill(get(""));
  it.each<[string, string | Uint8Array]>([
    ["binary", new Uint8Array(2)],
    ["larger", get(" ".repeat(room + 1))],
    ["larger in UTF-8, although it has fewer characters", `{"id":1,"call":"${"é".repeat(LIMITS.maxFrameBytes / 2)}"}`],
    ["of more than 1,000 messages", many.join("\n")],
  ])("that is %s ends the socket with 4422", async (_, frame) => {
    const { socket, closed } = await connectCalls();
    socket.send(frame);
    expect((await closed).code).toBe(4422);
  });
});

describe("calls in flight", () => {
  it("are at most 1,000, beyond which each is answered 429 and not applied", async () => {
    const { release } = holdStore();
    const connection = await connectHere();
    const prefix = freshKey();
    const sets = (from: number, count: number) =>
      connection.calls(
        ...Array.from({ length: count }, (_, n): Call => ["set", { key: `${prefix}${from + n}`, value: 1 }]),
      );
    const first = sets(0, LIMITS.maxCallsInFlight);
    const refused = await sets(LIMITS.maxCallsInFlight, 2);
    for (const answer of refused)
      expect(answer).toMatchObject({ status: 429, retry: 1, body: { code: "rate_limited" } });
    release();
    expect((await first).every(({ status }) => status === 200)).toBe(true);
    expect(await sets(2_000, 1)).toMatchObject([{ status: 200 }]);
    expect(await get(`${prefix}${LIMITS.maxCallsInFlight}`)).toBe("null");
  });

  it("have at most 8 Mi characters, beyond which each is answered 429", async () => {
    const { release } = holdStore();
    const connection = await connectHere();
    const value = "x".repeat(250_000);
    const frames = Array.from({ length: 9 }, (_, frame) =>
      connection.calls(...Array.from({ length: 4 }, (): Call => ["set", { key: `${freshKey()}${frame}`, value }])),
    );
    // Of 36 calls, 33 have room.
    for (const id of [34, 35, 36]) expect(await connection.answer(id)).toMatchObject({ status: 429, retry: 1 });
    release();
    const answers = (await Promise.all(frames)).flat();
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(33);
  });

  it("share requests to the store of at most 8 MiB", async () => {
    const { release, many } = holdStore();
    const { calls } = await connectHere();
    // Each may be refused with the current value and schema.
    const sets = Array.from({ length: 100 }, (): Call => ["set", { key: freshKey(), value: 1, expect: 0 }]);
    release();
    expect((await calls(...sets)).every(({ status }) => status === 200)).toBe(true);
    const refusal = LIMITS.maxValueBytes + LIMITS.maxSchemaBytes;
    const most = Math.floor((8 * 1024 * 1024) / refusal);
    expect(Math.max(...many.mock.calls.map(([, sent]) => sent.length))).toBe(most);
  });

  it("that waited too long for the store are not applied, and answered 503", async () => {
    captureLog();
    vi.useFakeTimers({ toFake: ["Date"] });
    const { release, many } = holdStore();
    const connection = await connectHere();
    const keys = Array.from({ length: 5 }, freshKey);
    const sets: Promise<{ status: number }[]>[] = [];
    for (const [n, key] of keys.entries()) {
      // Two, because a call that is alone does not need `many`.
      sets.push(connection.calls(["set", { key, value: 1 }], ["set", { key: freshKey(), value: 1 }]));
      // Four requests to the store at a time.
      await expect.poll(() => many.mock.calls.length).toBe(Math.min(n + 1, 4));
    }
    await settled(connection);
    vi.setSystemTime(Date.now() + openStore(env).timeouts.lastAttemptMs + 1_000);
    release();
    expect((await Promise.all(sets)).flat().map(({ status }) => status)).toEqual([...Array(8).fill(200), 503, 503]);
    expect(await get(keys[4] as string)).toBe("null");
  });

  it("that the store does not answer in time get 503, and a write may still be applied", async () => {
    captureLog();
    const settings = { ...env, STORE_TIMEOUT_MS: "100" };
    const { release } = holdStore(settings);
    const { calls } = await connectCalls({ fetch: fetchWith(settings) });
    const key = freshKey();
    const answers = await calls(["set", { key, value: 1 }], ["get", { key: freshKey() }]);
    for (const answer of answers) expect(answer).toMatchObject({ status: 503, body: { code: "store_unavailable" } });
    release();
    await expect.poll(() => getText(key)).toBe("1");
  });

  it("are at most 4 reads of many keys at a time", async () => {
    const { release, readMany } = holdStore();
    const connection = await connectHere();
    const reads = connection.calls(...Array.from({ length: 9 }, (): Call => ["read", { keys: [freshKey()] }]));
    await settled(connection);
    await expect.poll(() => readMany.mock.calls.length).toBe(LIMITS.maxWideReads);
    await settled(connection);
    expect(readMany).toHaveBeenCalledTimes(LIMITS.maxWideReads);
    release();
    expect((await reads).every(({ status }) => status === 200)).toBe(true);
  });

  it("are at most 32 patches at a time", async () => {
    const { release, many } = holdStore();
    const connection = await connectHere();
    const keys = Array.from({ length: 70 }, freshKey);
    const patches = connection.calls(...keys.map((key): Call => ["patch", { key, append: { items: [1] } }]));
    await expect.poll(() => many.mock.calls.length).toBe(1);
    release();
    expect((await patches).every(({ status }) => status === 200)).toBe(true);
    expect(many.mock.calls[0]?.[1]).toHaveLength(LIMITS.maxPatchesInFlight);
    expect(await getText(keys[69] as string)).toBe("[1]");
  });
});

describe("an API key", () => {
  it("counts each call for the rate limit", async () => {
    const apiKey = freshKey();
    const { RATE_LIMITER: _, ...unbound } = env;
    const settings = { ...unbound, RATE_LIMITER: undefined, RATE_LIMIT: "5", MEMX_ENV: "" };
    const MEMX_ACL = JSON.stringify({ [apiKey]: ["*"] });
    vi.useFakeTimers({ toFake: ["Date"], now: 1_790_000_000_000 });
    const { calls } = await connectCalls({ fetch: fetchWith({ ...settings, MEMX_ACL }), apiKey });
    const answers = await calls(...Array(6).fill(["get", { key: "a" }]));
    vi.useRealTimers();
    // The handshake is a call too.
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429, 429]);
    expect(answers.at(-1)).toMatchObject({ retry: 10, body: { code: "rate_limited" } });
  });

  it("may have 100 sockets, beyond which one closes with 4429, and others are not affected", async () => {
    const [apiKey, other] = [freshKey(), freshKey()];
    const fetch = fetchWith({ ...env, MEMX_ACL: JSON.stringify({ [apiKey]: ["*"], [other]: ["*"] }) });
    const open = await Promise.all(
      Array.from({ length: LIMITS.maxCallSocketsPerApiKey }, () => connectCalls({ fetch, apiKey })),
    );
    expect((await (await connectCalls({ fetch, apiKey })).closed).code).toBe(4429);
    expect(await (await connectCalls({ fetch, apiKey: other })).calls(["get", { key: "a" }])).toMatchObject([
      { status: 200 },
    ]);
    for (const { calls } of open.slice(0, 2))
      expect(await calls(["get", { key: "a" }])).toMatchObject([{ status: 200 }]);
    open[0]?.socket.close(1000);
    await open[0]?.closed;
    const next = await connectCalls({ fetch, apiKey });
    expect(await next.calls(["get", { key: "a" }])).toMatchObject([{ status: 200 }]);
    expect((await (await connectCalls({ fetch, apiKey })).closed).code).toBe(4429);
    for (const { socket } of [...open, next]) socket.close(1000);
  });

  it("that is revoked loses its sockets when HTTP refuses it, at the latest", async () => {
    let active = true;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
      const [lookup_hash] = /[0-9a-f]{64}/.exec(decodeURIComponent(String(input))) ?? [];
      const row = { lookup_hash, active, scopes: { read: ["*"] }, user_id: crypto.randomUUID(), name: null };
      return Response.json(active ? [row] : []);
    });
    vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"] });
    const settings = { ...env, SUPABASE_URL: "http://supabase", SUPABASE_SERVICE_KEY: "service" };
    const fetch = fetchWith({ ...settings, REVOCATION_SECONDS: "" });
    const apiKey = freshKey();
    expect((await fetch("/whoami", { headers: { "x-api-key": apiKey } })).status).toBe(200);
    await vi.advanceTimersByTimeAsync(15_000);
    const { closed } = await connectCalls({ fetch, apiKey });
    active = false;
    await vi.advanceTimersByTimeAsync(LIMITS.revocationSeconds * 1_000 - 15_000);
    expect((await closed).code).toBe(4403);
  });
});

describe("a client", () => {
  it("that reads too little of what it asks for is closed with 1013", async () => {
    const { calls, closed, socket } = await connectCalls();
    const key = freshKey();
    await calls(["set", { key, value: "x".repeat(250_000) }]);
    const get = `{"id":99,"call":"get","body":{"key":"${key}"}}`;
    for (let sent = 0; sent < 40; sent++) socket.send(get);
    expect((await closed).code).toBe(1013);
  });

  it("that confirms what it reads can go on", async () => {
    const { calls, socket, texts } = await connectCalls({ fetch: fetchWith({ ...env, SUBREQUEST_LIMIT: "1000" }) });
    const key = freshKey();
    await calls(["set", { key, value: "x".repeat(250_000) }]);
    for (let read = 0; read < 45; read++) {
      await calls(["get", { key }]);
      if (read % 4 > 0) continue;
      const pongs = () => texts.filter((text) => text === "pong").length;
      const before = pongs();
      socket.send("ping");
      await expect.poll(pongs).toBe(before + 1);
    }
    expect(await calls(["get", { key: freshKey() }])).toMatchObject([{ status: 200, body: null }]);
  });

  it("that sends nothing for 5 minutes is closed with 1013, and one that sends pings is not", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setInterval", "clearInterval"] });
    const [silent, alive] = [await connectHere(), await connectHere()];
    await vi.advanceTimersByTimeAsync(LIMITS.maxSilenceMs - 60_000);
    await settled(alive);
    await vi.advanceTimersByTimeAsync(120_000);
    expect((await silent.closed).code).toBe(1013);
    await settled(alive);
    expect(await alive.calls(["get", { key: freshKey() }])).toMatchObject([{ status: 200 }]);
  });
});

describe("the platform's limit", () => {
  it("lets a socket ask for its successor before, answer what still comes, and close", async () => {
    const agent = createAgent();
    const fetch = fetchWith({ ...env, SUBREQUEST_LIMIT: "10" });
    const { calls, lines, closed } = await connectCalls({ fetch, apiKey: `agent:${agent.namespace}` });
    for (let n = 0; n < 8; n++)
      expect(await calls(["set", { key: `k${n}`, value: n }])).toMatchObject([{ status: 200 }]);
    expect(lines().filter((line) => line.startsWith('{"event"'))).toEqual(['{"event":"renew"}']);
    expect(await calls(["get", { key: "k7" }])).toMatchObject([{ status: 200, body: { value: 7 } }]);
    expect((await closed).code).toBe(1012);
  });
});
