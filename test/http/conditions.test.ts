// Writes on conditions: what a caller expects of a key, and times of its own. And deletes.

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Problem } from "../../sdk/protocol.ts";
import { createAgent } from "../support/agent.ts";
import {
  answer,
  freshKey,
  get,
  post,
  problem,
  request,
  set,
  setSchema,
  setText,
  type Written,
} from "../support/client.ts";
import { subscribe } from "../support/subscriber.ts";

type Deleted = { ok: boolean; deleted: boolean; revision: number };
const remove = (key: string, more: object = {}) => answer<Deleted>(post("/delete", { key, ...more }));

describe("with expect", () => {
  it("a set is done where the key holds that revision, and where 0 is expected and it holds nothing", async () => {
    const key = freshKey();
    const first = await answer(post("/set", { key, value: 1, expect: 0 }));
    const second = await answer(post("/set", { key, value: 2, expect: first.revision }));
    expect(second).toEqual({ ok: true, updated: true, revision: first.revision + 1, ts: expect.any(Number) });
    const { revision } = await remove(key, { expect: second.revision });
    expect(revision).toBe(second.revision + 1);
    expect((await answer(post("/set", { key, value: 3, expect: 0 }))).updated).toBe(true);
  });

  it.each([
    ["set", (key: string, expected: number) => post("/set", { key, value: "mine", expect: expected })],
    ["delete", (key: string, expected: number) => post("/delete", { key, expect: expected })],
    ["patch", (key: string, expected: number) => post("/patch", { key, merge: { mine: true }, expect: expected })],
    [
      "batch",
      (key: string, expected: number) => post("/batch", { operations: [{ op: "check", key, expect: expected }] }),
    ],
  ])("a %s that is too late changes nothing, and is told what is held, as it was written", async (_, write) => {
    const key = freshKey();
    const first = await set(key, "first");
    const { revision, ts } = await setText(key, "[ 1.0,9007199254740993 ]");
    for (const expected of [0, first.revision, revision + 1]) {
      const response = await write(key, expected);
      const text = await response.clone().text();
      await problem(response, "conflict");
      const current = `{"value":[ 1.0,9007199254740993 ],"ts":${ts},"revision":${revision},"created":${first.ts}}`;
      expect(text).toContain(`"current":${current}`);
    }
    expect(JSON.parse(await get(key)).revision).toBe(revision);
  });

  it("is told null where the key holds nothing", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    await remove(key);
    for (const expected of [revision, revision + 1]) {
      const told = await problem(await post("/set", { key, value: 2, expect: expected }), "conflict");
      expect(told.current).toBeNull();
    }
  });

  it("is about the value, whatever happens to the schema", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    await setSchema(key, true);
    expect((await answer(post("/set", { key, value: 2, expect: revision }))).updated).toBe(true);
  });

  it("is about the schema where a schema is written", async () => {
    const key = freshKey();
    await set(key, 1);
    const send = (schema: unknown, expected: number) => post("/schema", { key, schema, expect: expected });
    const first = await answer<Written>(send({ type: "number" }, 0));
    const told = await problem(await send(true, 0), "conflict");
    expect(told.current).toEqual({ schema: { type: "number" }, ts: expect.any(Number), revision: first.revision });
    const second = await answer<Written>(send(true, first.revision));
    const erase = (expected: number) => request("DELETE", `/schema?key=${key}&expect=${expected}`);
    await problem(await erase(first.revision), "conflict");
    expect((await erase(second.revision)).status).toBe(200);
  });

  it("tells no value to an API key that may write and not read", async () => {
    const key = freshKey();
    const writer = createAgent({ read: [] });
    await writer.set(key, "a secret");
    const body = JSON.stringify({ key, value: 1, expect: 0 });
    const response = await writer.send("/set", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await response.text();
    expect(response.status).toBe(409);
    expect(text).not.toContain('"current"');
    expect(text).not.toContain("secret");
  });

  it("lets one of many that claim a key have it", async () => {
    const key = freshKey();
    const claims = await Promise.all(
      Array.from({ length: 30 }, (_, n) => post("/set", { key, value: n, expect: 0, ttl: 60 })),
    );
    expect(claims.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(claims.filter(({ status }) => status === 409)).toHaveLength(29);
  });

  it.each([-1, 1.5, "1", null, 2 ** 53])("may not be %j", async (expected) => {
    await problem(await post("/set", { key: freshKey(), value: 1, expect: expected }), "invalid_request");
  });
});

describe("a time of the caller's own", () => {
  const now = () => Date.now() / 1000;

  it("wins over earlier ones, and not over equal or later ones", async () => {
    const key = freshKey();
    const at = Math.round(now()) - 100.25;
    const later = await answer(post("/set", { key, value: "later", ts: at }));
    expect(later).toMatchObject({ updated: true, ts: at });
    for (const ts of [at, at - 0.000_001, 1]) {
      const answered = await answer(post("/set", { key, value: "earlier", ts }));
      expect(answered).toEqual({ ok: true, updated: false, revision: later.revision, ts: at });
    }
    expect(JSON.parse(await get(key))).toMatchObject({ value: "later", ts: at, revision: later.revision });
    expect((await answer(post("/set", { key, value: "even later", ts: at + 0.000_001 }))).updated).toBe(true);
  });

  it("that is older than a delete does not bring the value back", async () => {
    const key = freshKey();
    await set(key, 1);
    await remove(key);
    const answered = await answer(post("/set", { key, value: "replayed", ts: now() - 50 }));
    expect(answered).toMatchObject({ updated: false, revision: 0 });
    expect(await get(key)).toBe("null");
  });

  it("may be 60 seconds ahead and not more, and does not keep others from writing", async () => {
    const key = freshKey();
    const { detail, errors } = await problem(await post("/set", { key, value: 1, ts: now() + 70 }), "invalid_request");
    expect(errors).toMatchObject([{ path: "/ts" }]);
    expect(detail).toContain("minute");
    expect(await get(key)).toBe("null");
    const ahead = await answer(post("/set", { key, value: 1, ts: now() + 50 }));
    const ordinary = await set(key, 2);
    expect(ordinary.updated).toBe(true);
    expect(ordinary.ts).toBeGreaterThan(ahead.ts);
  });

  it("that lost reaches no subscriber", async () => {
    const key = freshKey();
    await set(key, 1);
    const subscriber = await subscribe(key);
    await post("/set", { key, value: 2, ts: 1 });
    await subscriber.nothingMore();
  });
});

describe("a delete", () => {
  it("leaves nothing to read, and says so to subscribers, once", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    const subscriber = await subscribe(key);
    expect(await remove(key)).toEqual({ ok: true, deleted: true, revision: revision + 1 });
    expect(await get(key)).toBe("null");
    const [event] = await subscriber.take(1);
    expect(event).toEqual({
      event: "value",
      action: "delete",
      key,
      ts: expect.any(Number),
      revision: revision + 1,
      previous: revision,
    });
    expect(await remove(key)).toEqual({ ok: true, deleted: false, revision: 0 });
    await subscriber.nothingMore();
  });

  it("of what was never there deletes nothing", async () => {
    expect(await remove(freshKey())).toEqual({ ok: true, deleted: false, revision: 0 });
    expect(await remove(freshKey(), { expect: 0 })).toEqual({ ok: true, deleted: false, revision: 0 });
  });

  it("leaves the schema, and what comes after it goes on from its revision", async () => {
    const key = freshKey();
    await setSchema(key, { type: "number" });
    await set(key, 1);
    const { revision } = await remove(key);
    await problem(await post("/set", { key, value: "text" }), "schema_violation");
    const agent = await answer<{ changes: { previous: number }[] }>(
      set(key, 2).then(() => request("GET", `/history?key=${key}`)),
    );
    expect(agent.changes[0]?.previous).toBe(revision);
  });

  it("may be done by those who may write the key, and by nobody else", async () => {
    const key = freshKey();
    await set(key, 1);
    await problem(await post("/delete", { key }, { apiKey: "agent_key_1" }), "forbidden");
    await problem(await post("/delete", { key }, { apiKey: null }), "missing_api_key");
    expect(await get(key)).not.toBe("null");
  });
});

describe("an Idempotency-Key", () => {
  const headers = () => ({ "idempotency-key": crypto.randomUUID() });

  it("makes a claim that is sent again come to what it came to first", async () => {
    const key = freshKey();
    const once = { headers: headers() };
    const claim = { key, value: "mine", expect: 0, ttl: 60 };
    const first = await answer(post("/set", claim, once));
    expect(await answer(post("/set", claim, once))).toEqual(first);
  });

  it.each([
    ["delete", "/delete", (key: string) => ({ key })],
    [
      "batch",
      "/batch",
      (key: string) => ({
        operations: [
          { op: "delete", key },
          { op: "check", key, expect: 0 },
        ],
      }),
    ],
  ])("makes a repeated %s come to what the first came to", async (name, path, bodyOf) => {
    const key = freshKey();
    if (name === "delete") await set(key, 1);
    const once = { headers: headers() };
    const first = await answer<object>(post(path, bodyOf(key), once));
    await set(key, 2);
    expect(await answer(post(path, bodyOf(key), once))).toEqual(first);
    expect(JSON.parse(await get(key)).value).toBe(2);
  });

  it("makes a patch that is sent again come to its first value, whatever is held by now", async () => {
    const key = freshKey();
    const once = { headers: headers() };
    const increment = { key, increment: { by: 1 } };
    const first = await answer<{ value: number }>(post("/patch", increment, once));
    await answer(post("/patch", { key, increment: { by: 10 } }));
    expect(await answer(post("/patch", increment, once))).toEqual(first);
    // Also where it could not be applied any more.
    await set(key, "text");
    expect(await answer(post("/patch", increment, once))).toEqual(first);
    expect(first.value).toBe(1);
    expect(JSON.parse(await get(key)).value).toBe("text");
    const test = {
      key,
      patch: [
        { op: "test", path: "", value: "text" },
        { op: "replace", path: "", value: 0 },
      ],
    };
    const twice = { headers: headers() };
    const replaced = await answer<object>(post("/patch", test, twice));
    expect(await answer(post("/patch", test, twice))).toEqual(replaced);
  });

  it("is nothing that a conflict is remembered by", async () => {
    const key = freshKey();
    await set(key, 1);
    const once = { headers: headers() };
    const claim = { key, value: "mine", expect: 0 };
    await problem(await post("/set", claim, once), "conflict");
    await remove(key);
    expect((await answer(post("/set", claim, once))).updated).toBe(true);
  });
});

it("tells problems of conditions as every other problem", async () => {
  const told: Problem = await problem(await post("/set", { key: freshKey(), value: 1, expect: 7 }), "conflict");
  expect(Object.keys(told)).toEqual(["type", "title", "status", "detail", "code", "current"]);
  expect(env.UPSTASH_REDIS_REST_TOKEN && told.detail).not.toContain("evalsha");
});
