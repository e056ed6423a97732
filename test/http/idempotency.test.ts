// Writes that are sent twice because their answer was lost: with an `Idempotency-Key` they are applied once.

import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import type { Caller } from "../../memory/access/principal.ts";
import type { AppEnv } from "../../worker/app-env.ts";
import { readIdempotency } from "../../worker/request/idempotency-key.ts";
import {
  deleteSchema,
  freshKey,
  get,
  problem,
  type RequestOptions,
  request,
  set,
  setSchema,
} from "../support/client.ts";
import { subscribe } from "../support/subscriber.ts";

type Write = { readonly method: string; readonly path: string; readonly body?: string };

const send = (
  { method, path, body }: Write,
  idempotencyKey: string,
  { headers, ...options }: RequestOptions = {},
): Promise<Response> =>
  request(method, path, {
    ...(body !== undefined && { body }),
    headers: { ...headers, "idempotency-key": idempotencyKey },
    ...options,
  });

const setOf = (key: string, value: unknown): Write => ({
  method: "POST",
  path: "/set",
  body: JSON.stringify({ key, value }),
});

describe("a repeated write", () => {
  it("is answered as the first one was, and changes nothing", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    const first = await (await send(setOf(key, 1), id)).json();
    const later = await set(key, 2);
    const repeat = await send(setOf(key, 1), id);
    expect(repeat.status).toBe(200);
    expect(await repeat.json()).toEqual(first);
    expect(JSON.parse(await get(key))).toMatchObject({ value: 2, revision: later.revision });
  });

  it.each([
    ["sets", (key: string) => ({ method: "POST", path: "/schema", body: JSON.stringify({ key, schema: true }) })],
    ["deletes", (key: string) => ({ method: "DELETE", path: `/schema?key=${key}` })],
  ])("that %s a schema is answered as the first one was, too", async (_, write) => {
    const key = freshKey();
    const id = crypto.randomUUID();
    await setSchema(key, { type: "number" });
    const first = await send(write(key), id);
    expect(first.status).toBe(200);
    const { revision } = await setSchema(key, { type: "string" });
    const repeat = await send(write(key), id);
    expect(await repeat.json()).toEqual(await first.json());
    expect((await (await request("GET", `/schema?key=${key}`)).json()) as object).toMatchObject({ revision });
  });

  it("is answered as the first one was also when the key has another schema by now, which forbids the value", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    const first = await (await send(setOf(key, "text"), id)).json();
    await setSchema(key, { type: "number" });
    expect(await (await send(setOf(key, "text"), id)).json()).toEqual(first);
    // Once the Worker knows that schema, it does not even get to the store with such a value.
    await set(key, 2);
    expect(await (await send(setOf(key, "text"), id)).json()).toEqual(first);
    expect(JSON.parse(await get(key))).toMatchObject({ value: 2 });
    await problem(await send(setOf(key, "text"), crypto.randomUUID()), "schema_violation");
  });

  it("that was refused is judged again", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    await setSchema(key, { type: "number" });
    await problem(await send(setOf(key, "text"), id), "schema_violation");
    await deleteSchema(key);
    expect((await send(setOf(key, "text"), id)).status).toBe(200);
  });

  it("reaches a subscriber once", async () => {
    const key = freshKey();
    const subscriber = await subscribe(key);
    const id = crypto.randomUUID();
    for (let n = 0; n < 3; n++) await send(setOf(key, 1), id);
    await subscriber.take(1);
    await subscriber.nothingMore();
  });

  it("is applied once when all its repeats arrive together", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(setOf(key, 1), id)));
    const revisions = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as { revision: number }).revision),
    );
    expect(new Set(revisions).size).toBe(1);
    expect((await set(key, 2)).revision).toBe((revisions[0] ?? 0) + 1);
  });
});

describe("an Idempotency-Key", () => {
  it("is refused for another request, which changes nothing", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    await send(setOf(key, 1), id);
    for (const other of [setOf(key, 2), setOf(freshKey(), 1), { method: "DELETE", path: `/schema?key=${key}` }]) {
      const { detail } = await problem(await send(other, id), "invalid_request");
      expect(detail).toContain("Idempotency-Key");
    }
    expect(JSON.parse(await get(key))).toMatchObject({ value: 1 });
  });

  it("is refused for another key in the query, which deletes nothing", async () => {
    const [a, b] = [freshKey(), freshKey()];
    const id = crypto.randomUUID();
    for (const key of [a, b]) await setSchema(key, true);
    expect((await send({ method: "DELETE", path: `/schema?key=${a}` }, id)).status).toBe(200);
    await problem(await send({ method: "DELETE", path: `/schema?key=${b}` }, id), "invalid_request");
    expect((await request("GET", `/schema?key=${b}`)).status).toBe(200);
  });

  it.each([
    ["x-api-key", (apiKey: string) => ({ apiKey })],
    ["authorization", (apiKey: string) => ({ apiKey: null, headers: { authorization: `Bearer ${apiKey}` } })],
  ])("is its API key's own, sent as %s", async (_, as) => {
    const id = crypto.randomUUID();
    const first = await send(setOf("memx:query", 1), id, as("local_dev_key"));
    const other = await send(setOf("memx:query", 1), id, as("agent_key_1"));
    expect(((await other.json()) as { revision: number }).revision).toBeGreaterThan(
      ((await first.json()) as { revision: number }).revision,
    );
  });

  it("is told apart from its API key, also where both together read the same", async () => {
    const app = new Hono<AppEnv>().post("/set", async (c) => {
      c.set("caller", { keyHash: c.req.header("x-key-hash") } as Caller);
      return c.json(await readIdempotency(c));
    });
    const idOf = async (keyHash: string, idempotencyKey: string) => {
      const headers = { "x-key-hash": keyHash, "idempotency-key": idempotencyKey };
      return ((await (await app.request("/set", { method: "POST", headers })).json()) as { id: string }).id;
    };
    expect(await idOf("ab", "c")).not.toBe(await idOf("a", "bc"));
    expect(await idOf('a","b', "c")).not.toBe(await idOf("a", 'b","c'));
  });

  it("counts no more than its write: whoever may not write is not told that it was written", async () => {
    const key = freshKey();
    const id = crypto.randomUUID();
    await send(setOf(key, 1), id);
    await problem(await send(setOf(key, 1), id, { apiKey: "agent_key_1" }), "forbidden");
  });

  it.each(["", "two words", "x".repeat(256), "a, b"])("may not be %j", async (id) => {
    const key = freshKey();
    const { detail } = await problem(await send(setOf(key, 1), id), "invalid_request");
    expect(detail).toContain("Idempotency-Key");
    expect(await get(key)).toBe("null");
  });

  it("may be sent by a page of another origin", async () => {
    const headers = {
      origin: "https://agents.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "idempotency-key",
    };
    const response = await request("OPTIONS", "/set", { apiKey: null, headers });
    expect(response.headers.get("access-control-allow-headers")?.toLowerCase()).toContain("idempotency-key");
  });
});
