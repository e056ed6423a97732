// Who gets in and which keys they may use: over HTTP with the development list, and the list itself.

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import developmentList from "../../config/acl.json";
import { AccessListError, parseAccessList } from "../../memory/access/access-list.ts";
import { openAccess } from "../../memory/access/open-access.ts";
import { createPrincipal } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { app } from "../../worker/app.ts";
import { findCaller } from "../../worker/request/authenticate.ts";
import { freshKey, get, problem, request, set } from "../support/client.ts";

const SECRET = "sk-marker-0123456789";

const calls = (key: string) =>
  [
    ["POST", "/set", JSON.stringify({ key, value: 1 })],
    ["GET", `/get?key=${encodeURIComponent(key)}`, undefined],
    ["POST", "/schema", JSON.stringify({ key, schema: {} })],
    ["GET", `/schema?key=${encodeURIComponent(key)}`, undefined],
    ["DELETE", `/schema?key=${encodeURIComponent(key)}`, undefined],
  ] as const;

function call(
  [method, path, body]: ReturnType<typeof calls>[number],
  apiKey: string | null,
  headers: Record<string, string> = {},
): Promise<Response> {
  return request(method, path, { apiKey, headers, ...(body !== undefined && { body }) });
}

describe("a call", () => {
  it("without an API key is refused, and changes nothing", async () => {
    const key = freshKey();
    const { revision } = await set(key, "before");
    for (const each of calls(key)) await problem(await call(each, null), "missing_api_key");
    for (const each of calls(key)) await problem(await call(each, ""), "missing_api_key");
    expect((await set(key, "after")).revision).toBe(revision + 1);
  });

  it.each([SECRET, "__proto__", "constructor", "LOCAL_DEV_KEY", "local_dev_key,local_dev_key", "*"])(
    "with an API key that nobody gave out is refused, and changes nothing: %s",
    async (apiKey) => {
      const key = freshKey();
      const { revision } = await set(key, "before");
      for (const each of calls(key)) {
        const { detail } = await problem(await call(each, apiKey), "invalid_api_key");
        expect(detail).not.toContain(apiKey);
      }
      expect((await set(key, "after")).revision).toBe(revision + 1);
    },
  );

  it("may carry its API key as a bearer token, in any letters' case of the scheme", async () => {
    const key = freshKey();
    await set(key, 1);
    for (const authorization of ["Bearer local_dev_key", "bearer  local_dev_key", "BEARER local_dev_key "]) {
      const response = await request("GET", `/get?key=${key}`, { apiKey: null, headers: { authorization } });
      expect(await response.json()).toMatchObject({ value: 1 });
    }
  });

  it("may not carry its API key in another scheme, or in the URL", async () => {
    for (const authorization of ["local_dev_key", "Basic local_dev_key", "Bearer", "Bearer local_dev_key extra"]) {
      const response = await request("GET", "/get?key=a", { apiKey: null, headers: { authorization } });
      await problem(response, "missing_api_key");
    }
    await problem(await request("GET", "/get?key=a&x-api-key=local_dev_key", { apiKey: null }), "missing_api_key");
  });

  it("is its x-api-key's where it carries a bearer token too", async () => {
    const key = freshKey();
    const [write] = calls(key);
    await problem(await call(write, SECRET, { authorization: "Bearer local_dev_key" }), "invalid_api_key");
    await problem(await call(write, "agent_key_1", { authorization: "Bearer local_dev_key" }), "forbidden");
    expect(await get(key)).toBe("null");
    expect((await call(write, "local_dev_key", { authorization: `Bearer ${SECRET}` })).status).toBe(200);
  });

  it.each(["clé", "ключ", "😀"])(
    "with the API key %j is refused over every transport, with the reason",
    async (apiKey) => {
      // As if a source knew it all the same, such as an older table of Supabase.
      const source = openAccess(env);
      const find = vi.spyOn(source, "find").mockImplementation(async (keyHashes) => {
        const principal = createPrincipal({ userId: "", read: ["*"], write: ["*"] });
        return new Map(keyHashes.map((keyHash) => [keyHash, principal]));
      });
      onTestFinished(() => find.mockRestore());
      const bytes = new TextEncoder().encode(apiKey);
      const encoded = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
      const transports = [
        { "x-api-key": apiKey },
        { authorization: `Bearer ${apiKey}` },
        { "sec-websocket-protocol": `memx.v1, memx.key.${encoded}` },
      ];
      for (const headers of transports) {
        const { code, message } = await findCaller(new Headers(headers as HeadersInit), env).then(
          () => ({ code: "let in", message: "" }),
          (error) => error as ApiError,
        );
        expect(code, JSON.stringify(headers)).toBe("invalid_api_key");
        expect(message).toContain("visible ASCII");
        expect(message).not.toContain(apiKey);
      }
    },
  );

  it("that is refused for its API key is told nothing about its body", async () => {
    const response = await request("POST", "/set", { apiKey: null, body: "{" });
    await problem(response, "missing_api_key");
  });
});

describe("authentication", () => {
  const PUBLIC = ["/", "/health", "/metrics", "/openapi.json"];
  const isPublic = (path: string) => PUBLIC.includes(path) || /^\/(docs|dashboard)(\/|$)/.test(path);
  const routes = app.routes.filter(({ method, path }) => method !== "ALL" && !isPublic(path));

  it("is needed for every route except the public ones", async () => {
    expect(routes.length).toBeGreaterThan(10);
    for (const { method, path } of routes) {
      const response = await request(method, path.replace("*", "a"), {
        apiKey: null,
        headers: { accept: "text/event-stream" },
      });
      await problem(response, "missing_api_key");
    }
  });

  it("is not needed to learn that a path or a method does not exist", async () => {
    await problem(await request("GET", "/nothing", { apiKey: null }), "not_found");
    await problem(await request("PUT", "/set", { apiKey: null }), "method_not_allowed");
  });

  it("reads the API key once: nothing behind it sees the key", async () => {
    const body = JSON.stringify({ key: freshKey(), value: 1 });
    const headers = { "x-api-key": "local_dev_key", "content-type": "application/json", "idempotency-key": "once" };
    const call = new Request("http://memx/set", { method: "POST", headers, body });
    const reads = vi.spyOn(Headers.prototype, "get");
    const context = createExecutionContext();
    const response = await app.fetch(call, env, context);
    const read = reads.mock.calls.filter(([name]) => /^(x-api-key|authorization)$/i.test(name));
    reads.mockRestore();
    await waitOnExecutionContext(context);
    expect(response.status).toBe(200);
    expect(read).toEqual([["x-api-key"]]);
  });
});

describe("agent_key_1", () => {
  const scopes = developmentList.agent_key_1;

  it.each(scopes)("may do everything with %s", async (key) => {
    const answers = [];
    for (const each of calls(key)) answers.push((await call(each, "agent_key_1")).status);
    expect(answers).toEqual([200, 200, 200, 200, 200]);
  });

  it.each([
    "memx:other",
    "memx:thoughts:2",
    "memx:quer",
    "memx:query ",
    "memx:query:0",
    "MEMX:QUERY",
    "*",
    "memx:*",
    "__proto__",
  ])("may do nothing with %s, and changes nothing there", async (key) => {
    const { revision } = await set(key, "before");
    const before = await get(key);
    for (const each of calls(key)) {
      const { detail } = await problem(await call(each, "agent_key_1"), "forbidden");
      expect(detail).not.toContain("agent_key_1");
      expect(detail).not.toContain("before");
    }
    expect(await get(key)).toBe(before);
    expect((await set(key, "after")).revision).toBe(revision + 1);
  });
});

describe("an access list", () => {
  const principal = (listed: unknown) => {
    const found = parseAccessList({ [SECRET]: listed }).get(SECRET);
    if (!found) throw new Error("not in the list");
    return found;
  };

  it("gives a key with an array of patterns no namespace, and these to read and write", () => {
    const { namespace, allows } = principal(["agent:*", "note"]);
    expect(namespace).toBe("");
    for (const action of ["read", "write"] as const) {
      expect(["agent:a", "agent:", "note", "agent", "notes", ""].filter((key) => allows(action, key))).toEqual([
        "agent:a",
        "agent:",
        "note",
      ]);
    }
  });

  it("tells reading from writing", () => {
    const { allows } = principal({ read: ["*"], write: ["mine:*"] });
    expect(allows("read", "yours:1")).toBe(true);
    expect(allows("write", "yours:1")).toBe(false);
    expect(allows("write", "mine:1")).toBe(true);
  });

  it("allows nothing that it does not name", () => {
    for (const listed of [[], {}, { read: [] }, { user_id: "a1b2c3d4-e5f6" }]) {
      const { allows } = principal(listed);
      expect([allows("read", ""), allows("read", "a"), allows("write", "a")]).toEqual([false, false, false]);
    }
    expect(principal({ read: ["*"] }).allows("write", "a")).toBe(false);
    expect(principal({ write: ["*"] }).allows("read", "a")).toBe(false);
  });

  it("takes a namespace from the first eight characters of user_id, and matches keys with it", () => {
    const { namespace, allows } = principal({ read: ["a1b2c3d4:agent:*"], write: [], user_id: "a1b2c3d4-e5f6-7890" });
    expect(namespace).toBe("a1b2c3d4");
    expect(allows("read", "agent:x")).toBe(true);
    expect(allows("read", "a1b2c3d4:agent:x")).toBe(false);
    expect(allows("read", "other")).toBe(false);
  });

  it.each([
    ["😀😁😂🤣😃😄😅😆😉", "😀😁😂🤣😃😄😅😆"],
    ["short", "short"],
    ["", ""],
  ])("counts a user_id in whole characters: %s", (user_id, namespace) => {
    expect(principal({ user_id }).namespace).toBe(namespace);
  });

  it("takes any visible ASCII for an API key", () => {
    const visible = String.fromCharCode(...Array.from({ length: 0x7e - 0x20 }, (_, n) => 0x21 + n));
    expect([...parseAccessList({ [visible]: ["*"] }).keys()]).toEqual([visible]);
  });

  it("takes the names of members of every object for API keys", () => {
    const list = parseAccessList(JSON.parse('{"__proto__":["a"],"constructor":["b"]}'));
    expect([...list.keys()]).toEqual(["__proto__", "constructor"]);
    expect(list.get("__proto__")?.allows("read", "a")).toBe(true);
    expect(list.get("toString")).toBeUndefined();
  });

  it.each(["", "clé", "ключ", "😀", "a key", "a\tkey", "key\n", " q", "\u007f", "\ud800"])(
    "refuses the API key %j, which no header can carry unchanged, and repeats no API key",
    (apiKey) => {
      const parse = () => parseAccessList({ fine: ["*"], [apiKey]: ["*"] });
      expect(parse).toThrow(AccessListError);
      expect(parse).toThrow(/API key number 2 .*visible ASCII/);
      if (apiKey !== "") expect(parse).not.toThrow(new RegExp(RegExp.escape(apiKey)));
    },
  );

  it("takes as many scopes as an API key may have, and says what an API key with more has", () => {
    const most = Array.from({ length: 256 }, (_, n) => `a${n}:*`);
    expect(
      parseAccessList({ [SECRET]: most })
        .get(SECRET)
        ?.allows("read", "a255:b"),
    ).toBe(true);
    const message = /API key number 1 must not have more than 256 scopes, or more than 16384 bytes of them/;
    expect(() => parseAccessList({ [SECRET]: [...most, "b"] })).toThrow(message);
  });

  it.each([null, undefined, [], ["a"], "text", 1, true])("has to be an object: %j", (list) => {
    expect(() => parseAccessList(list)).toThrow(AccessListError);
  });

  it.each([
    ["null", null],
    ["a string", "*"],
    ["true", true],
    ["a number", 1],
    ["a pattern that is no string", ["a", 1]],
    ["a pattern that is an array", [["*"]]],
    ["an unknown member", { read: ["*"], writes: ["*"] }],
    ["a string for patterns", { read: "*" }],
    ["null for patterns", { write: null }],
    ["a number for user_id", { read: ["*"], user_id: 12345678 }],
    ["null for user_id", { read: ["*"], user_id: null }],
    ["a number for a name", { read: ["*"], name: 1 }],
    ["100,000 scopes", Array.from({ length: 100_000 }, (_, n) => `a${n}:*`)],
    ["257 scopes in two lists", { read: Array(200).fill("a"), write: Array(57).fill("b") }],
    ["scopes of more than 16 KiB", { read: [`${"é".repeat(8 * 1024)}a`] }],
    ["a name of more than 16 KiB", { read: ["*"], name: "a".repeat(16 * 1024) }],
  ])("refuses the whole list for one key's %s, and repeats no API key", (_, listed) => {
    const parse = () => parseAccessList({ fine: ["*"], [SECRET]: listed });
    expect(parse).toThrow(AccessListError);
    expect(parse).toThrow(/API key number 2/);
    expect(parse).not.toThrow(new RegExp(SECRET));
  });
});

describe("the configuration", () => {
  const headers = (apiKey: string) => new Headers({ "x-api-key": apiKey });
  type Settings = Partial<
    Record<"MEMX_ACL" | "MEMX_ENV" | "SUPABASE_URL" | "SUPABASE_SERVICE_KEY" | "REVOCATION_SECONDS", string>
  >;
  const enter = (env: Settings, apiKey: string) => findCaller(headers(apiKey), env as Env);
  const refusal = async (env: Settings, apiKey: string): Promise<ApiError> => {
    try {
      await enter(env, apiKey);
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
    throw new Error("let in");
  };

  it("opens to the development list in development", async () => {
    expect((await enter({ MEMX_ENV: "development" }, "local_dev_key")).allows("write", "a")).toBe(true);
  });

  it("opens to MEMX_ACL instead where there is one, also in development", async () => {
    const env = { MEMX_ENV: "development", MEMX_ACL: JSON.stringify({ [SECRET]: ["a"] }) };
    expect((await enter(env, SECRET)).allows("write", "a")).toBe(true);
    expect((await refusal(env, "local_dev_key")).code).toBe("invalid_api_key");
    expect((await enter({ MEMX_ACL: env.MEMX_ACL }, SECRET)).allows("write", "b")).toBe(false);
  });

  it("opens to nobody where there is none, and says what to set", async () => {
    for (const env of [{}, { MEMX_ACL: "" }]) {
      for (const apiKey of ["local_dev_key", ""]) {
        const { code, message } = await refusal(env, apiKey);
        expect(code).toBe("auth_unavailable");
        expect(message).toContain("MEMX_ACL");
      }
    }
  });

  it.each(["production", "Development", "dev", "true", "development ", ""])(
    "does not open to the development list when MEMX_ENV is %j",
    async (MEMX_ENV) => {
      expect((await refusal({ MEMX_ENV }, "local_dev_key")).code).toBe("auth_unavailable");
    },
  );

  it.each([
    ["is cut off", `{"${SECRET}":["*"]`],
    ["has a key with too many scopes", JSON.stringify({ [SECRET]: Array(257).fill("*") })],
    ["is no JSON", SECRET],
    ["is an array", `["${SECRET}"]`],
    ["is null", "null"],
    ["has scopes of another shape", `{"${SECRET}":"*"}`],
    ["has one key of another shape among others", `{"local_dev_key":["*"],"${SECRET}":{"read":"*"}}`],
  ])("opens to nobody when MEMX_ACL %s, not even in development, and repeats nothing of it", async (_, MEMX_ACL) => {
    for (const apiKey of [SECRET, "local_dev_key"]) {
      const { code, message } = await refusal({ MEMX_ACL, MEMX_ENV: "development" }, apiKey);
      expect(code).toBe("auth_unavailable");
      expect(message).toContain("MEMX_ACL");
      expect(message).not.toContain(SECRET);
    }
  });

  it("is read again when it changes", async () => {
    const first = { MEMX_ACL: JSON.stringify({ first: ["*"] }) };
    const second = { MEMX_ACL: JSON.stringify({ second: ["*"] }) };
    expect((await enter(first, "first")).allows("read", "a")).toBe(true);
    expect((await refusal(second, "first")).code).toBe("invalid_api_key");
    expect((await enter(second, "second")).allows("read", "a")).toBe(true);
    expect((await refusal(first, "second")).code).toBe("invalid_api_key");
  });
});
