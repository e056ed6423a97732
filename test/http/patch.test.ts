// Patches through HTTP: what they make of a value is in test/patch; this is how it is stored, checked and told.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import type { Operation } from "../../memory/store/store.ts";
import { app } from "../../worker/app.ts";
import { createAgent, setOperation } from "../support/agent.ts";
import {
  answer,
  freshKey,
  get,
  getText,
  post,
  problem,
  type RequestOptions,
  request,
  set,
  setSchema,
  setText,
} from "../support/client.ts";

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

describe("a patch as the body itself", () => {
  const merge = "application/merge-patch+json";
  const jsonPatch = "application/json-patch+json";
  const send = (query: string, type: string, body: string, options: RequestOptions = {}) =>
    request("POST", `/patch?${query}`, { ...options, body, headers: { ...options.headers, "content-type": type } });

  it("is a merge patch (RFC 7396) with the key in the query", async () => {
    const key = freshKey();
    const { revision } = await setText(key, '{"a":1.0,"b":{"c":1,"d":2}}');
    const patched = await answer<Patched>(send(`key=${key}`, merge, ' {"b":{"c":null,"e":1.50}}\n'));
    expect(patched).toMatchObject({
      ok: true,
      updated: true,
      revision: revision + 1,
      value: { a: 1, b: { d: 2, e: 1.5 } },
    });
    expect(await getText(key)).toBe('{"a":1.0,"b":{"d":2,"e":1.50}}');
    await answer(send(`key=${key}`, `${merge}; charset=utf-8`, "7"));
    expect(await getText(key)).toBe("7");
  });

  it("is a JSON Patch (RFC 6902) with the key in the query", async () => {
    const key = freshKey();
    await set(key, { status: "open" });
    const take = JSON.stringify([
      { op: "test", path: "/status", value: "open" },
      { op: "replace", path: "/status", value: "taken" },
    ]);
    expect((await answer<Patched>(send(`key=${key}`, jsonPatch.toUpperCase(), take))).value).toEqual({
      status: "taken",
    });
    await problem(await send(`key=${key}`, jsonPatch, take), "conflict");
  });

  it("takes expect and ttl in the query", async () => {
    const key = freshKey();
    const { revision } = await set(key, { n: 1 });
    const { current } = await problem(await send(`key=${key}&expect=1`, merge, '{"n":2}'), "conflict");
    expect(current).toMatchObject({ value: { n: 1 }, revision });
    await problem(await send(`key=${key}&expect=0`, merge, '{"n":2}'), "conflict");
    await answer(send(`key=${key}&expect=${revision}&ttl=1.5`, merge, '{"n":2}'));
    expect(JSON.parse(await get(key))).toMatchObject({ value: { n: 2 }, expires: expect.any(Number) });
    await answer(send(`key=${key}&ttl=keep`, merge, '{"n":3}'));
    await expect.poll(() => get(key)).toBe("null");
    const created = freshKey();
    await answer(send(`key=${created}&expect=0`, merge, "{}"));
    expect(await getText(created)).toBe("{}");
  });

  it("of a key with any characters finds it by its percent-encoded name", async () => {
    const key = `${freshKey()} /?&=+%é`;
    await answer(send(`key=${encodeURIComponent(key)}`, merge, "1"));
    expect(await getText(key)).toBe("1");
  });

  it("is not applied again by a repeat for whose response memX no longer stores the value, and the repeat says so", async () => {
    const agent = createAgent();
    const headers = { "idempotency-key": crypto.randomUUID(), "content-type": "application/json" };
    const send = () => agent.send("/patch", { method: "POST", body: '{"key":"a","increment":{"by":1}}', headers });
    const first = await (await send()).json();
    expect(await (await send()).json()).toEqual(first);
    await agent.set("a", "replaced");
    expect(await (await send()).json()).toEqual(first);
    // As many changes as the log keeps.
    const sets = Array.from({ length: 100 }, () => setOperation("b", 1));
    for (let n = 0; n < LIMITS.logLength; n += 100) await agent.writeUnannounced(...sets);
    const { detail } = await problem(await send(), "value_gone");
    expect(detail).toContain(`as revision ${(first as Patched).revision}.`);
    expect(detail).not.toContain('"replaced"');
    expect(await (await agent.send("/get?key=a")).json()).toMatchObject({ value: "replaced" });
  });

  it("is repeated by its Idempotency-Key, and only as the same kind of patch", async () => {
    const key = freshKey();
    await set(key, [1]);
    const headers = { "idempotency-key": crypto.randomUUID() };
    const first = await (await send(`key=${key}`, jsonPatch, "[]", { headers })).json();
    expect(first).toMatchObject({ ok: true, value: [1] });
    expect(await (await send(`key=${key}`, `${jsonPatch};charset=utf-8`, "[]", { headers })).json()).toEqual(first);
    await problem(await send(`key=${key}`, merge, "[]", { headers }), "invalid_request");
    expect(await getText(key)).toBe("[1]");
  });

  it.each([
    ["without a key", "", merge, "{}", ""],
    ["with an empty key", "key=", merge, "{}", "/key"],
    ["with two keys", "key=a&key=b", merge, "{}", "/key"],
    ["with another field", "key=a&value=1", merge, "{}", "/value"],
    ["with an expect that is no revision", "key=a&expect=-1", merge, "{}", "/expect"],
    ["with an expect past every revision", "key=a&expect=9999999999999999", merge, "{}", "/expect"],
    ["with a ttl that is no number", "key=a&ttl=soon", merge, "{}", "/ttl"],
    ["with a ttl of 0", "key=a&ttl=0", merge, "{}", "/ttl"],
    ["with a ttl of more than a year", "key=a&ttl=31536001", jsonPatch, "[]", "/ttl"],
    ["with a key that is too long", `key=${"é".repeat(257)}`, merge, "{}", "/key"],
  ])("is refused %s", async (_, query, type, body, path) => {
    const { errors } = await problem(await send(query, type, body), "invalid_request");
    expect(errors?.map((error) => error.path)).toEqual([path]);
  });

  it.each([
    ["that is empty", merge, ""],
    ["that is not JSON", merge, "{"],
    ["with two equal names", merge, '{"a":1,"a":2}'],
    ["with a number past a double", merge, "1e400"],
    ["that is too deep", merge, "[".repeat(67) + "]".repeat(67)],
    ["that is no array", jsonPatch, "{}"],
    ["whose operations are no objects", jsonPatch, "[1]"],
    ["with an unknown operation", jsonPatch, '[{"op":"increment","path":""}]'],
  ])("is refused with a body %s, and changes nothing", async (_, type, body) => {
    const key = freshKey();
    await set(key, 1);
    await problem(await send(`key=${key}`, type, body), "invalid_request");
    expect(await getText(key)).toBe("1");
  });

  it("can be as deep as a value, and no deeper", async () => {
    const key = freshKey();
    const nested = (levels: number) => '{"a":'.repeat(levels) + 1 + "}".repeat(levels);
    await answer(send(`key=${key}`, merge, nested(64)));
    expect(await getText(key)).toBe(nested(64));
    await problem(await send(`key=${key}`, merge, nested(65)), "invalid_request");
  });

  it("needs to be allowed to read and to write, and must match the schema", async () => {
    const key = freshKey();
    await problem(await send(`key=${key}`, merge, "{}", { apiKey: "agent_key_1" }), "forbidden");
    await problem(await send(`key=${key}`, merge, "{}", { apiKey: null }), "missing_api_key");
    await setSchema(key, { type: "number" });
    await problem(await send(`key=${key}`, merge, "{}"), "schema_violation");
  });

  it("of another media type is refused, with the ones that memX takes", async () => {
    for (const type of ["application/json-patch", "text/plain", "constructor"]) {
      const { detail } = await problem(await send("key=a", type, "{}"), "unsupported_media_type");
      expect(detail).toContain("application/json or application/merge-patch+json or application/json-patch+json");
    }
    await problem(await post("/set", {}, { headers: { "content-type": merge } }), "unsupported_media_type");
    await problem(
      await send("key=a", merge, "{}", { headers: { "content-encoding": "gzip" } }),
      "unsupported_media_type",
    );
  });

  it("of type application/json takes its fields from the body, and ignores the query as before", async () => {
    const key = freshKey();
    await answer(send("key=ignored&nonsense=1", "application/json", JSON.stringify({ key, merge: 1 })));
    expect(await getText(key)).toBe("1");
    await problem(await send(`key=${key}`, "application/json", '{"merge":1}'), "invalid_request");
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
