// POST /bulk: many independent writes in one request, each with the outcome that it would have alone.

import { describe, expect, it } from "vitest";
import { createAgent } from "../support/agent.ts";
import { answer, freshKey, get, getText, post, problem, request, set, setSchema } from "../support/client.ts";

type Result = { readonly status: number; readonly retry?: number; readonly body: Record<string, unknown> };

const bulk = async (operations: readonly object[], headers: Record<string, string> = {}) =>
  (await answer<{ results: Result[] }>(post("/bulk", { operations }, { headers }))).results;

describe("POST /bulk", () => {
  it("gives each operation the status and the body that its own call returns", async () => {
    const [a, b, strict, counter, kept, never] = Array.from({ length: 6 }, freshKey) as [string, ...string[]];
    await set(kept as string, { x: 1 });
    await setSchema(strict as string, { type: "number" });
    const operations = [
      { op: "set", key: a, value: [1] },
      { op: "set", key: strict, value: "no number" },
      { op: "patch", key: counter, increment: { by: 2 } },
      { op: "set", key: kept, value: 2, expect: 0 },
      { op: "delete", key: never },
      { op: "set", key: b, value: null, ttl: 60 },
      { op: "set", key: b, vlaue: 1 },
      { op: "patch", key: b },
    ];
    const results = await bulk(operations);
    expect(results.map(({ status }) => status)).toEqual([200, 400, 200, 409, 200, 200, 422, 422]);
    const written = { ok: true, updated: true, revision: expect.any(Number), ts: expect.any(Number) };
    expect(results[0]?.body).toEqual(written);
    expect(results[2]?.body).toMatchObject({ ok: true, updated: true, value: 2 });
    expect(results[4]?.body).toEqual({ ok: true, deleted: false, revision: 0 });
    // Refusals change nothing, so the calls alone still come to the same.
    for (const [index, path] of [
      [1, "/set"],
      [3, "/set"],
      [6, "/set"],
      [7, "/patch"],
    ] as const) {
      const { op: _, ...body } = operations[index] as { op: string };
      expect(await (await post(path, body)).json()).toEqual(results[index]?.body);
    }
    expect(await getText(a)).toBe("[1]");
    expect(await getText(kept as string)).toBe('{"x":1}');
  });

  it("applies operations on one key in order, and keeps every digit of their values", async () => {
    const [key, other] = [freshKey(), freshKey()];
    const operations = Array.from(
      { length: 20 },
      (_, n) => `{"op":"patch","key":"${key}","append":{"items":[${n}.0]}}`,
    );
    const body = `{"operations":[${operations.join(",")},{"op":"set","key":"${other}","value":9007199254740993}]}`;
    const { results } = await answer<{ results: Result[] }>(request("POST", "/bulk", { body }));
    expect(results.map(({ status }) => status)).toEqual(Array.from(results, () => 200));
    expect(await getText(key)).toBe(`[${Array.from({ length: 20 }, (_, n) => `${n}.0`).join(",")}]`);
    expect(await getText(other)).toBe("9007199254740993");
  });

  it("takes 1,000 operations, and refuses more, none, or a check", async () => {
    const prefix = freshKey();
    const sets = Array.from({ length: 1_000 }, (_, n) => ({ op: "set", key: `${prefix}:${n}`, value: n }));
    const results = await bulk(sets);
    expect(results).toHaveLength(1_000);
    expect(results.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(results.map(({ body }) => body.revision)).size).toBe(1_000);
    expect(await getText(`${prefix}:999`)).toBe("999");
    for (const operations of [[...sets, sets[0]], [], [{ op: "check", key: prefix, expect: 0 }]]) {
      await problem(await post("/bulk", { operations }), "invalid_request");
    }
  });

  it("returns the first outcomes for a repeat with the same Idempotency-Key", async () => {
    const [key, other] = [freshKey(), freshKey()];
    const headers = { "idempotency-key": freshKey(), "x-memx-agent": "loader" };
    const operations = [
      { op: "patch", key, append: { items: [1] } },
      { op: "set", key: other, value: 1, expect: 0 },
    ];
    const first = await bulk(operations, headers);
    expect(await bulk(operations, headers)).toEqual(first);
    expect(await get(key)).toMatch(/^\{"value":\[1\],.*"by":"loader"\}$/);
    const changed = await bulk([{ op: "set", key, value: 2 }], headers);
    expect(changed).toMatchObject([{ status: 422, body: { code: "invalid_request" } }]);
  });

  it("does not run operations whose answers have no room", async () => {
    const keys = Array.from({ length: 60 }, freshKey);
    const large = "x".repeat(200_000);
    for (const key of keys) await set(key, large);
    const results = await bulk(keys.map((key) => ({ op: "set", key, value: 1, expect: 1 })));
    expect(results[0]).toMatchObject({ status: 409, body: { code: "conflict", current: { value: large } } });
    expect(results.at(-1)).toMatchObject({ status: 413, body: { code: "too_large" } });
    const [status, first] = [
      results.map((result) => result.status),
      results.findIndex((result) => result.status === 413),
    ];
    expect(status.slice(0, first)).toEqual(Array.from({ length: first }, () => 409));
  });

  it("announces what it applied", async () => {
    const agent = createAgent();
    const subscriber = await agent.connect("/watch?pattern=*&since=0");
    await subscriber.takeUntilReady();
    const operations = ["a", "b"].map((key) => ({ op: "set", key, value: 1 }));
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ operations });
    const response = await agent.send("/bulk", { method: "POST", headers, body });
    expect(response.status).toBe(200);
    expect((await subscriber.take(2)).map(({ key }) => key).toSorted()).toEqual(["a", "b"]);
    await agent.settled();
  });
});
