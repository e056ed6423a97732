// Batches: several operations as one.

import { describe, expect, it } from "vitest";
import type { ErrorCode } from "../../sdk/protocol.ts";
import { createAgent } from "../support/agent.ts";
import {
  answer,
  deleteSchema,
  freshKey,
  get,
  getText,
  post,
  problem,
  request,
  set,
  setSchema,
} from "../support/client.ts";
import { connectMemx } from "../support/subscriber.ts";

type Batched = { ok: boolean; results: { updated?: boolean; deleted?: boolean; revision: number; ts?: number }[] };
const batch = (...operations: object[]) => answer<Batched>(post("/batch", { operations }));

describe("a batch", () => {
  it("is one stretch of revisions, and answers each operation as it would be alone", async () => {
    const [a, b, c, d] = [freshKey(), freshKey(), freshKey(), freshKey()];
    const held = await set(a, "old");
    const { results } = await batch(
      { op: "check", key: a, expect: held.revision },
      { op: "set", key: a, value: 1 },
      { op: "set", key: b, value: 2, expect: 0, ttl: 60 },
      { op: "set", key: a, value: "too late", ts: 1 },
      { op: "delete", key: d },
      { op: "delete", key: a },
      { op: "set", key: c, value: 3 },
    );
    const first = held.revision + 1;
    expect(results).toEqual([
      { revision: held.revision },
      { updated: true, revision: first, ts: expect.any(Number) },
      { updated: true, revision: first + 1, ts: expect.any(Number) },
      { updated: false, revision: first, ts: results[1]?.ts },
      { deleted: false, revision: 0 },
      { deleted: true, revision: first + 2 },
      { updated: true, revision: first + 3, ts: expect.any(Number) },
    ]);
    expect(await get(a)).toBe("null");
    expect(await getText(c)).toBe("3");
  });

  it("keeps the text of its values", async () => {
    const key = freshKey();
    const body = `{"operations":[{"op":"set","key":"${freshKey()}","value":"],["},{"v\\u0061lue": [1.0, 9007199254740993] ,"op":"set","key":"${key}"}]}`;
    expect((await request("POST", "/batch", { body })).status).toBe(200);
    expect(await getText(key)).toBe("[1.0, 9007199254740993]");
  });

  it("does nothing where one of its operations meets something else than it expects, and says which", async () => {
    const [a, b] = [freshKey(), freshKey()];
    const { revision, ts } = await set(b, "theirs");
    const operations = [
      { op: "set", key: a, value: 1 },
      { op: "set", key: b, value: 2, expect: 0 },
    ];
    const told = await problem(await post("/batch", { operations }), "conflict");
    expect(told).toMatchObject({
      errors: [{ path: "/operations/1/expect" }],
      current: { value: "theirs", ts, revision },
    });
    expect(await get(a)).toBe("null");
  });

  it("does nothing where one of its values is not what a schema allows, and says where", async () => {
    const [a, b] = [freshKey(), freshKey()];
    await setSchema(b, { properties: { x: { type: "number" } } });
    const operations = [
      { op: "set", key: a, value: 1 },
      { op: "set", key: b, value: { x: "text" } },
    ];
    const told = await problem(await post("/batch", { operations }), "schema_violation");
    expect(told.errors).toMatchObject([{ path: "/operations/1/value/x" }]);
    expect(await get(a)).toBe("null");
    await deleteSchema(b);
    expect((await post("/batch", { operations })).status).toBe(200);
  });

  it("learns the schemas of a hundred keys in one go", async () => {
    const agent = createAgent();
    const keys = Array.from({ length: 100 }, freshKey);
    for (const key of keys) await agent.writeUnannounced({ op: "schema_set", key, schema: '{"type":"number"}' });
    const operations = keys.map((key, n) => ({ op: "set", key, value: n }));
    const response = await agent.send("/batch", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ operations }),
    });
    expect(response.status, await response.clone().text()).toBe(200);
    expect(((await response.json()) as Batched).results).toHaveLength(100);
  });

  it("reaches subscribers of a key and watchers of many whole and in order, also what one key had in it", async () => {
    const [a, b] = [`x:${freshKey()}`, `x:${freshKey()}`];
    const subscriber = await connectMemx(`/subscribe/${a}`);
    const watcher = await connectMemx("/watch?pattern=x:*");
    for (const client of [subscriber, watcher]) await client.take(1);
    const { results } = await batch(
      { op: "set", key: a, value: 1 },
      { op: "set", key: b, value: 2 },
      { op: "delete", key: a },
      { op: "set", key: a, value: 3 },
    );
    const revisions = results.map(({ revision }) => revision);
    expect((await watcher.take(4)).map(({ revision }) => revision)).toEqual(revisions);
    expect((await subscriber.take(3)).map(({ revision }) => revision)).toEqual([0, 2, 3].map((n) => revisions[n]));
  });

  it("checks the scopes of every operation before anything is done", async () => {
    const key = freshKey();
    const operations = (other: object) => ({ operations: [{ op: "set", key: "memx:query", value: key }, other] });
    for (const op of [{ op: "set", value: 1 }, { op: "delete" }, { op: "check", expect: 0 }]) {
      await problem(await post("/batch", operations({ ...op, key }), { apiKey: "agent_key_1" }), "forbidden");
    }
    expect(await getText("memx:query")).not.toBe(JSON.stringify(key));
  });

  it.each<[string, ErrorCode, object, string]>([
    ["none", "invalid_request", { operations: [] }, "/operations"],
    ["too many", "invalid_request", { operations: Array(101).fill({ op: "delete", key: "a" }) }, "/operations"],
    ["another op", "invalid_request", { operations: [{ op: "get", key: "a" }] }, "/operations/0/op"],
    ["a set without a value", "invalid_request", { operations: [{ op: "set", key: "a" }] }, "/operations/0/value"],
    ["a check of nothing", "invalid_request", { operations: [{ op: "check", key: "a" }] }, "/operations/0/expect"],
    [
      "a delete with a value",
      "invalid_request",
      { operations: [{ op: "delete", key: "a", value: 1 }] },
      "/operations/0/value",
    ],
    [
      "another field",
      "invalid_request",
      { operations: [{ op: "delete", key: "a", exepct: 1 }] },
      "/operations/0/exepct",
    ],
    [
      "a key that is too long",
      "invalid_request",
      { operations: [{ op: "delete", key: "😀".repeat(200) }] },
      "/operations/0/key",
    ],
    [
      "a time far ahead",
      "invalid_request",
      { operations: [{ op: "set", key: "a", value: 1, ts: 1e10 }] },
      "/operations/0/ts",
    ],
  ])("is refused with %s", async (_, code, body, path) => {
    expect((await problem(await post("/batch", body), code)).errors).toMatchObject([{ path }]);
  });

  it("is refused with a value that is too large", async () => {
    const operations = [{ op: "set", key: freshKey(), value: "x".repeat(262_143) }];
    await problem(await post("/batch", { operations }), "too_large");
  });
});

describe("a value as deep as a value can be", () => {
  const nested = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels));

  it("is written by a batch and by a JSON Patch, as by a set; one level more is refused", async () => {
    const [a, b] = [freshKey(), freshKey()];
    await batch({ op: "set", key: a, value: nested(64) });
    expect(await getText(a)).toBe(JSON.stringify(nested(64)));
    const patch = (value: unknown) => post("/patch", { key: b, patch: [{ op: "add", path: "", value }] });
    expect((await patch(nested(64))).status).toBe(200);
    await problem(await post("/batch", { operations: [{ op: "set", key: a, value: nested(65) }] }), "invalid_request");
    await problem(await patch(nested(65)), "invalid_request");
    await problem(await post("/patch", { key: freshKey(), merge: { a: nested(64) } }), "invalid_request");
  });
});
