// What an API key learns that may write a key and not read it. SECURITY.md has the list; these are all routes, and the whole of
// each response. Everything that a reader would see has a marker in it.

import { beforeEach, describe, expect, it } from "vitest";
import { createAgent } from "../support/agent.ts";
import { problem, request } from "../support/client.ts";
import { grant } from "../support/grant.ts";
import { callTool } from "../support/mcp.ts";

const SECRET = "s3cret";
const WRITER = { "x-memx-agent": SECRET };

/** What the owner of the namespace has stored, and an API key that may write it and not read it. */
let owner: ReturnType<typeof createAgent>;
let apiKey: string;
let value: { revision: number; ts: number };
let schema: { revision: number };

const own = <T>(path: string, body: object): Promise<T> => {
  const headers = { ...WRITER, "content-type": "application/json" };
  return owner
    .send(path, { method: "POST", headers, body: JSON.stringify(body) })
    .then((response) => response.json<T>());
};

beforeEach(async () => {
  owner = createAgent();
  const { namespace } = owner;
  apiKey = `write-only-${namespace}`;
  grant({ [apiKey]: { read: [], write: ["*"], user_id: namespace } });
  value = await own("/set", { key: "a", value: { [SECRET]: SECRET, n: 1 }, ttl: 3_000 });
  schema = await own("/schema", {
    key: "a",
    schema: {
      required: [SECRET],
      properties: { [SECRET]: { enum: [SECRET, 987_654_321] }, n: { maximum: 987_654_321 } },
    },
  });
});

/** Sends a request with the write-only API key, and returns all of the response that is not the same for everybody. */
async function seen(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const response = await request(method, path, { apiKey, headers, ...(body && { body: JSON.stringify(body) }) });
  const text = await response.clone().text();
  const all = `${text} ${JSON.stringify([...response.headers])}`;
  expect(all).not.toContain(SECRET);
  expect(all).not.toContain("987654321");
  return response;
}

async function refused(code: Parameters<typeof problem>[1], method: string, path: string, body?: object) {
  const { detail, ...rest } = await problem(await seen(method, path, body), code);
  expect(Object.keys(rest).filter((name) => !["type", "title", "status", "code", "errors"].includes(name))).toEqual([]);
  return { detail, errors: rest.errors };
}

async function done(method: string, path: string, body?: object, headers?: Record<string, string>) {
  const response = await seen(method, path, body, headers);
  expect(response.status).toBe(200);
  return response.json<Record<string, unknown>>();
}

const fits = (n: number) => ({ [SECRET]: SECRET, n });

describe("an API key that may write a key and not read it learns", () => {
  it("of a set the new revision and time, and whether it was too late: then the revision and time of the value", async () => {
    const written = await done("POST", "/set", { key: "a", value: fits(2) });
    expect(written).toEqual({ ok: true, updated: true, revision: schema.revision + 1, ts: expect.any(Number) });
    const late = await done("POST", "/set", { key: "a", value: fits(3), ts: 1 });
    expect(late).toEqual({ ok: true, updated: false, revision: written.revision, ts: written.ts });
    // Not when the value expires.
    const kept = await done("POST", "/set", { key: "a", value: fits(4), ttl: "keep" });
    expect(Object.keys(kept)).toEqual(["ok", "updated", "revision", "ts"]);
  });

  it("of a conflict that the revision is another, or that the key has no value", async () => {
    const { detail } = await refused("conflict", "POST", "/set", { key: "a", value: fits(2), expect: 1 });
    expect(detail).toBe("The key's current revision does not match `expect`.");
    const absent = await refused("conflict", "POST", "/delete", { key: "b", expect: 1 });
    expect(absent.detail).toBe("The key has no value, so `expect` does not match.");
    const set = { op: "set", key: "a", value: fits(2), expect: 1 };
    const { errors } = await refused("conflict", "POST", "/batch", { operations: [set] });
    expect(errors).toEqual([{ path: "/operations/0/expect", message: detail }]);
    expect((await refused("conflict", "POST", "/schema", { key: "a", schema: true, expect: 1 })).detail).toBe(
      "The key's current schema revision does not match `expect`.",
    );
  });

  it("of a value that violates the schema which part of its own value breaks which kind of rule", async () => {
    const broken = { key: "a", value: { n: 1e12 } };
    const { errors, detail } = await refused("schema_violation", "POST", "/set", broken);
    expect(errors).toEqual([
      { path: "", message: "A required property is missing." },
      { path: "/n", message: "Must be smaller." },
    ]);
    expect(detail).toBe(
      "The value does not match the key's schema. The value: A required property is missing. /n: Must be smaller.",
    );
    const batched = await refused("schema_violation", "POST", "/batch", { operations: [{ op: "set", ...broken }] });
    expect(batched.errors?.map(({ path }) => path)).toEqual(["/operations/0/value", "/operations/0/value/n"]);
  });

  it("of a delete whether there was a value, and the revision", async () => {
    const deleted = await done("POST", "/delete", { key: "a" });
    expect(deleted).toEqual({ ok: true, deleted: true, revision: schema.revision + 1 });
    expect(await done("POST", "/delete", { key: "a" })).toEqual({ ok: true, deleted: false, revision: 0 });
  });

  it("of a batch the same for each operation, and nothing by a check", async () => {
    const operations = [
      { op: "set", key: "a", value: fits(2) },
      { op: "delete", key: "b" },
    ];
    expect(await done("POST", "/batch", { operations })).toEqual({
      ok: true,
      results: [
        { updated: true, revision: schema.revision + 1, ts: expect.any(Number) },
        { deleted: false, revision: 0 },
      ],
    });
    const check = { op: "check", key: "a", expect: value.revision };
    await refused("forbidden", "POST", "/batch", { operations: [check, ...operations] });
  });

  it("of a schema its revision when it sets or deletes one, and whether there was one", async () => {
    expect(await done("DELETE", "/schema?key=a")).toEqual({ ok: true, revision: schema.revision + 1 });
    await refused("not_found", "DELETE", "/schema?key=a");
    const set = await done("POST", "/schema", { key: "a", schema: true });
    expect(set).toEqual({ ok: true, revision: schema.revision + 2 });
  });

  it("of a repeat the first outcome of its own write, and of another's Idempotency-Key nothing", async () => {
    const headers = { "idempotency-key": "once" };
    const theirs = { ...WRITER, "content-type": "application/json", ...headers };
    await owner.send("/set", { method: "POST", headers: theirs, body: JSON.stringify({ key: "c", value: SECRET }) });
    const first = await done("POST", "/set", { key: "a", value: fits(2) }, headers);
    await own("/set", { key: "a", value: fits(3) });
    expect(await done("POST", "/set", { key: "a", value: fits(2) }, headers)).toEqual(first);
    expect(first.revision).toBe(schema.revision + 2);
  });

  it("through MCP no more", async () => {
    const call = async (tool: string, args: object) => {
      const { raw, structured, text } = await callTool(tool, args, { apiKey });
      expect(JSON.stringify(raw)).not.toContain(SECRET);
      return structured ?? text.split("\n");
    };
    expect(await call("memx_claim", { key: "a", holder: "me" })).toEqual({ claimed: false });
    expect(await call("memx_release", { key: "a", token: 1 })).toEqual({ released: false });
    expect(await call("memx_set", { key: "a", value: {}, expect: value.revision })).toEqual([
      "schema_violation: The value does not match the key's schema. The value: A required property is missing.",
      expect.stringContaining("Next: "),
    ]);
    expect(await call("memx_set", { key: "a", value: fits(2), expect: 1 })).toEqual([
      "conflict: The key's current revision does not match `expect`.",
      expect.stringContaining("Next: "),
    ]);
    expect(await call("memx_set", { key: "b", value: 1, holding: { key: "a", token: 1 } })).toEqual([
      expect.stringContaining("forbidden: "),
      expect.stringContaining("Next: "),
    ]);
    for (const tool of ["memx_get", "memx_history", "memx_schema"]) {
      expect(await call(tool, { key: "a" })).toEqual([expect.stringContaining("forbidden: "), expect.anything()]);
    }
    for (const [tool, args] of [
      ["memx_merge", { changes: { n: 2 } }],
      ["memx_append", { items: [1] }],
      ["memx_increment", { path: "/n", by: 1 }],
    ] as const) {
      const said = await call(tool, { key: "a", ...args });
      expect(said).toEqual([expect.stringContaining("forbidden: "), expect.anything()]);
    }
    expect(await call("memx_list", {})).toEqual({ keys: [], cursor: null });
  });
});

describe("an API key that may write a key and not read it is refused", () => {
  it.each<[method: string, path: string, body?: object]>([
    ["GET", "/get?key=a"],
    ["POST", "/read", { keys: ["a"] }],
    ["GET", "/history?key=a"],
    ["GET", "/schema?key=a"],
    ["GET", "/changes?pattern=*&since=0"],
    ["POST", "/patch", { key: "a", merge: { n: 2 } }],
    ["POST", "/patch", { key: "a", patch: [{ op: "test", path: "/n", value: 1 }] }],
    ["POST", "/patch", { key: "a", increment: { path: "/n", by: 1 } }],
    ["POST", "/patch", { key: "a", append: { items: [1] } }],
  ])("%s %s", async (method, path, body) => {
    await refused("forbidden", method, path, body);
  });

  it.each(["/subscribe/a", "/watch?pattern=*"])("an event stream of %s", async (path) => {
    await problem(await seen("GET", path, undefined, { accept: "text/event-stream" }), "forbidden");
  });

  it("and sees no key, and of itself only its scopes", async () => {
    expect(await done("GET", "/keys?values=true")).toEqual({ keys: [], cursor: null });
    const { scopes, name } = await done("GET", "/whoami");
    expect([scopes, name]).toEqual([{ read: [], write: ["*"] }, undefined]);
  });
});
