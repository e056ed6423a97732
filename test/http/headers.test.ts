// What every answer carries: the id of its request, where its time went, and what keeps browsers from misreading it.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { app } from "../../worker/app.ts";
import { freshKey, problem, request } from "../support/client.ts";
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

  it("is taken by browsers for what it says it is, and framed by nobody", async () => {
    const { headers } = await request(method, path, { apiKey });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{8}$/);
    expect(headers.get("cross-origin-resource-policy")).toBe("cross-origin");
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
