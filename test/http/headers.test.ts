// What every answer carries: the id of its request, where its time went, and what keeps browsers from misreading it.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { app } from "../../worker/app.ts";
import { freshKey, problem, type RequestOptions, request, set } from "../support/client.ts";
import { breakStore } from "../support/engine.ts";

afterEach(() => void vi.restoreAllMocks());

const REQUESTS = [
  ["GET", "/get?key=a", "local_dev_key", 200],
  ["GET", "/get", "local_dev_key", 422],
  ["GET", "/get?key=a", null, 401],
  ["GET", "/get?key=a", "unknown", 403],
  ["POST", "/set", "local_dev_key", 415],
  ["GET", "/set", "local_dev_key", 405],
  ["GET", "/nowhere", "local_dev_key", 404],
  ["GET", "/subscribe/a", "local_dev_key", 426],
  ["GET", "/health", null, 200],
  ["GET", "/openapi.json", null, 200],
  ["GET", "/docs", null, 200],
  ["GET", "/docs/swagger-ui.css", null, 200],
  ["OPTIONS", "/set", null, 204],
] as const;

describe.each(REQUESTS)("%s %s with the API key %s", (method, path, apiKey, status) => {
  it("is answered with an id of its own, which pages may read", async () => {
    const ids = new Set<string | null>();
    for (let n = 0; n < 2; n++) {
      const response = await request(method, path, { apiKey, headers: { origin: "https://agents.example" } });
      expect(response.status).toBe(status);
      ids.add(response.headers.get("x-request-id"));
      if (method !== "OPTIONS") {
        expect(response.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("x-request-id");
      }
    }
    expect(ids.size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^[\w-]{16,64}$/);
  });

  it("is answered with the caller's id where it has a safe one, and with no other", async () => {
    const idOf = async (id: string) =>
      (await request(method, path, { apiKey, headers: { "x-request-id": id } })).headers.get("x-request-id");
    expect(await idOf("trace-17_A=")).toBe("trace-17_A=");
    for (const id of ["x".repeat(65), "a b", '"}', "<script>", "a;b"]) expect(await idOf(id)).not.toBe(id);
  });

  it("is taken by browsers for what it says it is", async () => {
    const { headers } = await request(method, path, { apiKey });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}$/);
    // JSON is shown in no frame, and embedded by nothing.
    const isJson = headers.get("content-type")?.includes("json");
    expect(headers.get("x-frame-options")).toBe(isJson ? null : "DENY");
    expect(headers.get("referrer-policy")).toBe(isJson ? null : "no-referrer");
    expect(headers.get("cross-origin-resource-policy")).toBe(isJson ? null : "cross-origin");
  });
});

describe("Cache-Control", () => {
  const ask = (method: string, path: string, options: RequestOptions = {}) =>
    app.fetch(requestTo(method, path, options), env, createExecutionContext());
  const requestTo = (method: string, path: string, { apiKey = "local_dev_key", headers, body }: RequestOptions) =>
    new Request(`http://memx${path}`, {
      method,
      headers: {
        ...(apiKey && { "x-api-key": apiKey }),
        "content-type": "application/json",
        ...headers,
      } as HeadersInit,
      ...(body !== undefined && { body }),
    });
  const stream = { accept: "text/event-stream" };
  const upgrade = { upgrade: "websocket" };

  it.each<[method: string, path: string, options?: RequestOptions]>([
    ["GET", "/get?key=a"],
    ["GET", "/get?key=a", { headers: { "if-none-match": "*" } }],
    ["GET", "/get"],
    ["GET", "/get?key=a", { apiKey: null }],
    ["GET", "/get?key=a", { apiKey: "unknown" }],
    ["HEAD", "/get?key=a"],
    ["GET", "/get?key=a", { apiKey: "agent_key_1" }],
    ["POST", "/set", { body: "{" }],
    ["POST", "/set", { body: '{"key":"a","value":1}' }],
    ["POST", "/delete", { body: '{"key":"b"}' }],
    ["POST", "/patch", { body: '{"key":"a","merge":1}' }],
    ["POST", "/batch", { body: '{"operations":[{"op":"set","key":"a","value":1}]}' }],
    ["POST", "/read", { body: '{"keys":["a"]}' }],
    ["GET", "/whoami"],
    ["GET", "/keys"],
    ["GET", "/history?key=a"],
    ["POST", "/schema", { body: '{"key":"b","schema":{}}' }],
    ["GET", "/schema?key=a"],
    ["DELETE", "/schema?key=b"],
    ["GET", "/changes?pattern=*&since=0&wait=0"],
    ["GET", "/subscribe/a"],
    ["GET", "/subscribe/a", { headers: stream }],
    ["GET", "/watch?pattern=*", { headers: stream }],
    ["GET", "/subscribe/a", { headers: stream, apiKey: null }],
    ["HEAD", "/subscribe/a", { headers: stream }],
    ["GET", "/health", { apiKey: null }],
    ["GET", "/nowhere", { apiKey: null }],
    ["GET", "/docs/nothing", { apiKey: null }],
    ["PUT", "/docs", { apiKey: null }],
    ["OPTIONS", "/get", { apiKey: null }],
  ])("is no-store for %s %s with %j", async (method, path, options) => {
    const response = await ask(method, path, options);
    expect(response.headers.get("cache-control")).toBe("no-store");
    await response.body?.cancel();
  });

  it("is no-store for a WebSocket handshake that fails with an HTTP response", async () => {
    const bindings = { ...env, MEMX_ACL: "{", MEMX_ENV: "" } as Env;
    const response = await app.fetch(
      requestTo("GET", "/subscribe/a", { headers: upgrade }),
      bindings,
      createExecutionContext(),
    );
    await problem(response.clone() as unknown as Response, "auth_unavailable");
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it.each(["/", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/favicon-32x32.png", "/openapi.json"])(
    "lets any cache keep the public file %s for some minutes",
    async (path) => {
      const response = await ask("GET", path, { apiKey: null });
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toBe("public, max-age=300");
      await response.body?.cancel();
    },
  );
});

describe("the dashboard's files", () => {
  const html = { accept: "text/html" };

  it("are cached forever under names that change with their content, and the page that names them is asked for again", async () => {
    const page = await request("GET", "/", { apiKey: null, headers: html });
    expect(page.headers.get("cache-control")).toBe("no-cache");
    const files = [...(await page.text()).matchAll(/(?:src|href)="(\/dashboard\/[^"]+)"/g)].map(
      ([, path]) => path as string,
    );
    expect(files.map((path) => path.replace(/^.*\./, "")).sort()).toEqual(["css", "js", "svg"]);
    for (const path of files) {
      expect(path).toMatch(/-[\w-]{8}\.\w+$/);
      const file = await request("GET", path, { apiKey: null });
      expect(file.status).toBe(200);
      expect(file.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(file.headers.get("content-type")).toMatch(/^(?:text\/css|text\/javascript|image\/svg\+xml)\b/);
      await file.body?.cancel();
    }
  });

  it("that are gone are a 404 that no cache keeps", async () => {
    const response = await request("GET", "/dashboard/app-00000000.js", { apiKey: null });
    await problem(response.clone() as unknown as Response, "not_found");
    expect(response.headers.get("cache-control")).toBe("no-store");
  });

  it("run no script and load nothing that memX does not serve", async () => {
    const page = await request("GET", "/", { apiKey: null, headers: html });
    const policy = page.headers.get("content-security-policy") ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]) {
      expect(policy.split("; ")).toContain(part);
    }
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(page.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    const text = await page.text();
    expect(text).not.toMatch(/<script(?![^>]* src="\/dashboard\/)|<style| style=| on\w+=/);
  });
});

describe("ETag of GET /get", () => {
  const get = (key: string, headers: Record<string, string> = {}, apiKey: string | null = "local_dev_key") =>
    request("GET", `/get?key=${key}`, { headers, apiKey });

  it("is the revision, and a client that has that revision gets 304 without the value", async () => {
    const key = freshKey();
    const { revision } = await set(key, { large: true });
    const etag = `"${revision}"`;
    const first = await get(key);
    expect(first.headers.get("etag")).toBe(etag);
    expect(await first.json()).toMatchObject({ value: { large: true }, revision });
    for (const header of [etag, `"1", ${etag}`, `W/${etag}`, "*"]) {
      const response = await get(key, { "if-none-match": header });
      expect(response.status, header).toBe(304);
      expect(response.headers.get("etag")).toBe(etag);
      expect(response.headers.get("content-type")).toBeNull();
      expect(await response.text()).toBe("");
    }
  });

  it("changes with the value: a client that has another revision gets the value", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    const next = await set(key, 1);
    for (const header of [`"${revision}"`, `${next.revision}`, `"${next.revision}0"`, ""]) {
      const response = await get(key, { "if-none-match": header });
      expect(response.status, header).toBe(200);
      expect(await response.json()).toMatchObject({ value: 1, revision: next.revision });
    }
  });

  it("is absent when the key has no value, and no condition matches", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    await request("POST", "/delete", { body: JSON.stringify({ key }) });
    for (const header of [`"${revision}"`, "*", '"0"']) {
      const response = await get(key, { "if-none-match": header });
      expect(response.status).toBe(200);
      expect(response.headers.get("etag")).toBeNull();
      expect(await response.text()).toBe("null");
    }
  });

  it("does not let a client without access learn whether a value has changed", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    const condition = { "if-none-match": `"${revision}"` };
    await problem(await get(key, condition, null), "missing_api_key");
    await problem(await get(key, condition, "unknown"), "invalid_api_key");
    await problem(await get(key, condition, "agent_key_1"), "forbidden");
  });

  it("can be read by pages of any origin", async () => {
    const response = await get(freshKey(), { origin: "https://agents.example" });
    expect(response.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("etag");
    await response.body?.cancel();
  });
});

describe("Server-Timing", () => {
  const metrics = async (method: string, path: string, init = {}) => {
    const response = await request(method, path, init);
    await response.text();
    const header = response.headers.get("server-timing") ?? "";
    expect(header).toMatch(/^(\w+;dur=\d+\.\d(;desc="[^"]*")?,?)+$/);
    return new Set(header.split(",").map((metric) => metric.split(";")[0]));
  };

  it("tells of access, schema and store, as far as a call goes", async () => {
    const key = freshKey();
    const get = await metrics("GET", `/get?key=${key}`);
    expect(get).toEqual(new Set(["access", "store", "total"]));
    expect(await metrics("POST", "/set", { body: JSON.stringify({ key, value: 1 }) })).toEqual(get);
    expect(await metrics("GET", `/schema?key=${key}`)).toEqual(new Set(["access", "schema", "total"]));
    expect(await metrics("GET", "/get", {})).toEqual(new Set(["access", "total"]));
    expect(await metrics("GET", "/openapi.json")).toEqual(new Set(["total"]));
  });
});

describe("the log", () => {
  it("of a failure is an object with the id that the answer has, and nothing that is secret", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const mend = await breakStore("why");
    try {
      const body = JSON.stringify({ key: "the-name-of-a-key", value: "the-value" });
      const response = await request("POST", "/set", { body, headers: { "x-request-id": "trace-1" } });
      await problem(response, "store_unavailable");
      expect(response.headers.get("x-request-id")).toBe("trace-1");
    } finally {
      await mend();
    }
    expect(error.mock.calls).toEqual([[expect.objectContaining({ event: "store_unavailable", request: "trace-1" })]]);
    const text = JSON.stringify(error.mock.calls);
    for (const secret of ["local_dev_key", "the-name-of-a-key", "the-value"]) expect(text).not.toContain(secret);
  });

  it("tells requests that go on at once from each other", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const broken = { ...env, UPSTASH_REDIS_REST_URL: "", UPSTASH_REDIS_REST_TOKEN: "", EMBEDDED_STORE: {} } as never;
    const ids = Array.from({ length: 20 }, (_, n) => `trace-${n}`);
    await Promise.all(
      ids.map(async (id) => {
        const headers = { "x-api-key": "local_dev_key", "x-request-id": id };
        const response = await app.fetch(
          new Request("http://memx/get?key=a", { headers }),
          broken,
          createExecutionContext(),
        );
        expect(response.headers.get("x-request-id")).toBe(id);
      }),
    );
    expect(error.mock.calls.map(([entry]) => entry.request).sort()).toEqual(ids.sort());
  });
});
