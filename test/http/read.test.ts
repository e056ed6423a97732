// `POST /read`: many keys at one moment.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { type Agent, createAgent, setOperation, setOperations } from "../support/agent.ts";
import { freshKey, get, post, problem, request, set, setSchema, setText } from "../support/client.ts";

type Read = { entries: ({ value: unknown; revision: number } | null)[]; revision: number };

const send = (agent: Agent, keys: readonly unknown[]) =>
  agent.send("/read", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ keys }),
  });

async function read(agent: Agent, keys: readonly string[]): Promise<Read> {
  const response = await send(agent, keys);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

describe("a read of many keys", () => {
  it("has for each key, in order, what GET /get returns, to the last character", async () => {
    const [a, b, schema, never] = [freshKey(), freshKey(), freshKey(), freshKey()];
    await setText(a, '{"n":9007199254740993, "f":1.0,\n"s":"\\u2028"}');
    await setSchema(schema, true);
    await post("/set", { key: b, value: null, ttl: 100 }, { headers: { "x-memx-agent": "planner" } });
    const { revision } = await set(freshKey(), "elsewhere");
    const keys = [b, never, a, schema, a];
    const response = await post("/read", { keys });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    const entries = await Promise.all(keys.map(get));
    expect(await response.text()).toBe(`{"entries":[${entries.join(",")}],"revision":${revision}}`);
    expect(entries[0]).toMatch(/^\{"value":null,.*"expires":[\d.]+,"by":"planner"\}$/);
    expect([entries[1], entries[3]]).toEqual(["null", "null"]);
  });

  it("is of the moment of its revision: a client that resumes there misses nothing and gets nothing twice", async () => {
    const agent = createAgent();
    await agent.set("a", 1);
    await agent.set("b", 1);
    const { entries, revision } = await read(agent, ["a", "b"]);
    await agent.set("b", 2);
    const later = await (await agent.send(`/changes?pattern=*&since=${revision}&wait=0`)).json();
    expect(entries).toMatchObject([{ value: 1 }, { value: 1 }]);
    expect(later).toMatchObject({ changes: [{ key: "b", value: 2, revision: revision + 1 }], reset: false });
  });

  it("of a namespace that nothing was written to has revision 0, from which a client gets everything", async () => {
    const agent = createAgent();
    expect(await read(agent, ["a"])).toEqual({ entries: [null], revision: 0 });
    await agent.set("a", 1);
    const all = await (await agent.send("/changes?pattern=*&since=0&wait=0")).json();
    expect(all).toMatchObject({ changes: [{ key: "a", value: 1 }] });
  });

  it("shows all of a batch or none of it, however many are being written", async () => {
    const agent = createAgent();
    const keys = ["a", "b", "c"];
    const write = async (n: number) => agent.writeUnannounced(...keys.map((key) => setOperation(key, n)));
    await write(0);
    const reads: Read[] = [];
    for (let n = 1; n <= 40; n++) {
      const [first, , second] = await Promise.all([read(agent, keys), write(n), read(agent, keys)]);
      reads.push(first, second);
    }
    reads.push(await read(agent, keys));
    for (const { entries, revision } of reads) {
      expect(new Set(entries.map((entry) => entry?.value)).size).toBe(1);
      const revisions = entries.map((entry) => entry?.revision ?? 0);
      // The last change of the namespace is the last of the batch.
      expect(revision).toBe(Math.max(...revisions));
    }
    expect(reads.at(-1)?.entries).toMatchObject([{ value: 40 }, { value: 40 }, { value: 40 }]);
  });

  it("leaves out what was deleted or has expired", async () => {
    const agent = createAgent();
    await agent.writeUnannounced(
      setOperation("stays", 1),
      setOperation("deleted", 1),
      { op: "delete", key: "deleted" },
      { op: "set", key: "expired", value: "1", schemaRevision: 0, ttl: 0.001 },
    );
    await scheduler.wait(5);
    const { entries } = await read(agent, ["expired", "stays", "deleted"]);
    expect(entries).toMatchObject([null, { value: 1 }, null]);
  });

  it(`takes ${LIMITS.maxKeys} keys of any name`, async () => {
    const agent = createAgent();
    await agent.writeUnannounced(...Array.from({ length: 500 }, (_, n) => setOperation(`ключ:${n}/😀`, n)));
    const keys = Array.from({ length: LIMITS.maxKeys }, (_, n) => `ключ:${n}/😀`);
    const { entries } = await read(agent, keys);
    expect(entries.map((entry) => entry?.value)).toEqual(keys.map((_, n) => (n < 500 ? n : undefined)));
  });

  it("is only for API keys that may read every one of the keys, and names the first that they may not", async () => {
    const agent = createAgent();
    const { namespace } = agent;
    const guest = createAgent({ namespace, read: [`${namespace}:public:*`] });
    await agent.set("public:1", "seen");
    await agent.set("private", "a secret");
    expect((await read(guest, ["public:1", "public:2"])).entries).toMatchObject([{ value: "seen" }, null]);
    const response = await send(guest, ["public:1", "private", "never written"]);
    const text = await response.clone().text();
    const { detail } = await problem(response, "forbidden");
    expect(detail).toContain('"private"');
    expect(text).not.toMatch(/secret|seen/);
    expect(text).not.toContain(namespace);
  });

  it("has values of at most 4 MiB together, and is refused if they are larger", async () => {
    const agent = createAgent();
    const largest = "x".repeat(LIMITS.maxValueBytes - 2);
    const keys = Array.from({ length: 16 }, (_, n) => `large:${n}`);
    for (const key of keys) await agent.set(key, largest);
    await agent.setText("small", "1");
    const { entries } = await read(agent, keys);
    expect(entries.every((entry) => entry?.value === largest)).toBe(true);
    // A key that is asked for twice counts twice.
    for (const more of ["small", keys[0] as string]) {
      const { detail } = await problem(await send(agent, [...keys, more]), "too_large");
      expect(detail).toBe(
        "The values of these keys are larger than 4194304 bytes together. Read fewer keys at a time.",
      );
    }
    // In bytes, not in characters.
    await agent.set(keys[0] as string, "é".repeat(LIMITS.maxValueBytes / 2 - 1));
    expect((await read(agent, keys)).entries).toHaveLength(16);
    await problem(await send(agent, [...keys, "small"]), "too_large");
  });
});

it.each([
  ["no keys", { keys: [] }, "/keys"],
  ["too many keys", { keys: Array(LIMITS.maxKeys + 1).fill("a") }, "/keys"],
  ["no list", { keys: "a" }, "/keys"],
  ["nothing", {}, ""],
  ["a number", { keys: ["a", 1] }, "/keys/1"],
  ["an empty key", { keys: ["a", "b", ""] }, "/keys/2"],
  ["a control character", { keys: ["a\u0000"] }, "/keys/0"],
  ["a key that is too long", { keys: ["a", "😀".repeat(200)] }, "/keys/1"],
  ["another field", { keys: ["a"], key: "a" }, "/key"],
])("a read of %s is refused", async (_, body, path) => {
  const { errors } = await problem(await post("/read", body), "invalid_request");
  expect(errors).toMatchObject([{ path, message: expect.not.stringContaining("\\P") }]);
});

it("a read needs an API key, JSON, and POST", async () => {
  await problem(await post("/read", { keys: ["a"] }, { apiKey: null }), "missing_api_key");
  await problem(
    await post("/read", { keys: ["a"] }, { headers: { "content-type": "text/plain" } }),
    "unsupported_media_type",
  );
  await problem(await request("GET", "/read?keys=a"), "method_not_allowed");
});

it("a read changes nothing", async () => {
  const agent = createAgent();
  await agent.writeUnannounced(...setOperations("a", 3));
  const before = await (await agent.send("/history?key=a")).text();
  await read(agent, ["a", "b"]);
  expect(await (await agent.send("/history?key=a")).text()).toBe(before);
  expect(await (await agent.send("/keys")).json()).toMatchObject({ keys: [{ key: "a" }] });
});
