// Patches through HTTP: what they make of a value is in test/patch; this is how it is stored, checked and told.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Operation } from "../../memory/store/store.ts";
import { app } from "../../worker/app.ts";
import { answer, freshKey, get, getText, post, problem, request, set, setSchema, setText } from "../support/client.ts";

type Patched = { ok: boolean; updated: boolean; revision: number; ts: number; value: unknown };
const patch = (body: object) => answer<Patched>(post("/patch", body));

describe("a patch", () => {
  it("answers and stores the value, with the text of what it does not touch", async () => {
    const key = freshKey();
    const { revision } = await setText(key, '{"big":9007199254740993,"n":1.50,"list":[ 1.0 ]}');
    const response = await post("/patch", { key, increment: { path: "/n", by: 1 } });
    const text = '{"big":9007199254740993,"n":2.5,"list":[ 1.0 ]}';
    expect(await response.text()).toMatch(
      new RegExp(`^{"ok":true,"updated":true,"revision":${revision + 1},"ts":[0-9.]+,"value":${RegExp.escape(text)}}$`),
    );
    expect(await getText(key)).toBe(text);
  });

  it("begins from nothing where it can", async () => {
    const [merged, counted, appended] = [freshKey(), freshKey(), freshKey()];
    expect((await patch({ key: merged, merge: { a: { b: 1 } } })).value).toEqual({ a: { b: 1 } });
    expect((await patch({ key: counted, increment: { by: 0.1 } })).value).toBe(0.1);
    expect((await patch({ key: appended, append: { path: "/list", items: [1, 2, 3], limit: 2 } })).value).toEqual({
      list: [2, 3],
    });
    await problem(await post("/patch", { key: freshKey(), patch: [{ op: "remove", path: "/a" }] }), "conflict");
  });

  it("is a JSON Patch, whose test may refuse it", async () => {
    const key = freshKey();
    await set(key, { status: "open" });
    const take = [
      { op: "test", path: "/status", value: "open" },
      { op: "replace", path: "/status", value: "taken" },
    ];
    expect((await patch({ key, patch: take })).value).toEqual({ status: "taken" });
    await problem(await post("/patch", { key, patch: take }), "conflict");
  });

  it("has to come to what the key's schema allows", async () => {
    const key = freshKey();
    await setSchema(key, { type: "number", maximum: 2 });
    for (const value of [1, 2]) expect((await patch({ key, increment: { by: 1 } })).value).toBe(value);
    await problem(await post("/patch", { key, increment: { by: 1 } }), "schema_violation");
    expect(await getText(key)).toBe("2");
  });

  it("does not come to a value that is too large", async () => {
    const key = freshKey();
    await set(key, ["x".repeat(262_000)]);
    await problem(await post("/patch", { key, append: { items: ["y".repeat(200)] } }), "too_large");
  });

  it("needs to be allowed to read and to write", async () => {
    await problem(await post("/patch", { key: freshKey(), merge: {} }, { apiKey: "agent_key_1" }), "forbidden");
  });

  it("leaves the value its time to live, unless it gives it another", async () => {
    const key = freshKey();
    await answer(post("/set", { key, value: 1, ttl: 1 }));
    await patch({ key, increment: { by: 1 } });
    const other = freshKey();
    await answer(post("/set", { key: other, value: 1, ttl: 1 }));
    await patch({ key: other, increment: { by: 1 }, ttl: 100 });
    await expect.poll(() => get(key)).toBe("null");
    expect(await getText(other)).toBe("2");
  });

  it.each([
    ["nothing to do", {}],
    ["two things to do", { merge: {}, increment: { by: 1 } }],
    ["an increment by a text", { increment: { by: "1" } }],
    ["an increment of another field", { increment: { by: 1, to: 2 } }],
    ["items that are no array", { append: { items: 1 } }],
    ["a limit of 0", { append: { items: [], limit: 0 } }],
    ["a path that is no pointer", { increment: { by: 1, path: "count" } }],
    ["operations that are no array", { patch: {} }],
    ["a ttl of 0", { merge: {}, ttl: 0 }],
  ])("is refused with %s", async (_, body) => {
    await problem(await post("/patch", { key: freshKey(), ...body }), "invalid_request");
  });

  it("with two equal names is refused", async () => {
    const body = `{"key":"${freshKey()}","merge":{"a":1,"a":2}}`;
    await problem(await request("POST", "/patch", { body }), "invalid_request");
  });
});

it("gives up after a while where others are always first, and is told what they wrote", async () => {
  // Who reads is told of a revision that nothing has by the time of the write.
  const behind = {
    idFromName: (name: string) => name,
    get: (name: string) => {
      const object = env.EMBEDDED_STORE.getByName(name);
      return {
        async write(operations: readonly Operation[]) {
          const [operation] = operations as [Operation];
          await object.write([{ op: "set", key: operation.key, value: '"theirs"', schemaRevision: 0 }]);
          return object.write(operations);
        },
        readEntry: (key: string) => object.readEntry(key),
      };
    },
  };
  const bindings = {
    ...env,
    UPSTASH_REDIS_REST_URL: "",
    UPSTASH_REDIS_REST_TOKEN: "",
    EMBEDDED_STORE: behind,
    STORE_TIMEOUT_MS: "1000",
  };
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  const body = JSON.stringify({ key: freshKey(), merge: { mine: 1 } });
  const response = await app.fetch(
    new Request("http://memx/patch", { method: "POST", headers, body }),
    bindings as never,
    createExecutionContext(),
  );
  expect((await problem(response, "conflict")).current).toMatchObject({ value: "theirs" });
});
