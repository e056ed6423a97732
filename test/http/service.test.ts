// What belongs to the service as a whole: health, the reference and its document, CORS, HEAD.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { version } from "../../package.json";
import { app } from "../../worker/app.ts";
import { openApiDocument } from "../../worker/openapi/document.ts";
import { OPERATIONS } from "../../worker/request/operations.ts";
import { freshKey, get, problem, request, set } from "../support/client.ts";
import { engine } from "../support/engine.ts";

const ORIGIN = "https://agents.example";

describe("/health", () => {
  it("answers without an API key, and names the store of this project", async ({ task }) => {
    expect(engine).toBe(task.file.projectName);
    const response = await request("GET", "/health", { apiKey: null });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok", store: engine, version });
  });

  it.each(["?ready", "?ready=", "?ready=true"])(
    "says the same with %s if memX can do all of its work",
    async (query) => {
      const response = await request("GET", `/health${query}`, { apiKey: null });
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ status: "ok", store: engine, version });
    },
  );

  it.each(["?ready=no", "?ready=false", "?ready&ready", "?ready=1"])("refuses %s", async (query) => {
    const { detail } = await problem(await request("GET", `/health${query}`, { apiKey: null }), "invalid_request");
    expect(detail).toContain("/ready");
  });
});

describe("/metrics", () => {
  it("does not exist unless the operator has set a token", async () => {
    for (const apiKey of [null, "local_dev_key"]) {
      const { detail } = await problem(await request("GET", "/metrics", { apiKey }), "not_found");
      expect(detail).toContain("METRICS_TOKEN");
    }
  });
});

describe("/", () => {
  const visit = (accept: string | null) => request("GET", "/", { apiKey: null, headers: { accept } });

  it("shows a browser the dashboard, which links the reference without JavaScript, too", async () => {
    const response = await visit("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/html\b/);
    expect(response.headers.get("vary")).toContain("accept");
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    const page = await response.text();
    expect(page).toContain("shared memory for teams of AI agents");
    expect(page).toContain('href="/docs"');
    const [, style = ""] = /<link rel="stylesheet"[^>]* href="([^"]+)"/.exec(page) ?? [];
    const css = await request("GET", style, { apiKey: null });
    expect(css.status).toBe(200);
    expect(css.headers.get("content-type")).toBe("text/css; charset=utf-8");
  });

  it.each(["application/json", "*/*", "text/plain", null])(
    "tells a client that accepts %s the same as JSON",
    async (accept) => {
      const response = await visit(accept);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
      expect(await response.json()).toEqual({
        name: "memX",
        version,
        docs: "/docs",
        openapi: "/openapi.json",
        health: "/health",
      });
    },
  );
});

describe("/openapi.json", () => {
  type Operation = {
    operationId?: string;
    responses?: Record<string, object>;
    requestBody?: { content: Record<string, { schema: unknown }> };
    parameters?: { name: string; in: string; required: boolean }[];
  };
  const paths: Record<string, Record<string, Operation>> = openApiDocument.paths as never; // Its exact type is of no use to a loop.
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
  );

  it("is the document, in OpenAPI 3.1, for everybody", async () => {
    const response = await request("GET", "/openapi.json", { apiKey: null });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
    const served = await response.json();
    expect(served).toEqual(JSON.parse(JSON.stringify(openApiDocument)));
    expect(served).toMatchObject({ openapi: expect.stringMatching(/^3\.1\.\d+$/), info: { version } });
  });

  it("lists exactly the routes of the app, but for the page's own files", () => {
    const routes = app.routes
      // Middleware is there for all methods.
      .filter(({ method, path }) => method !== "ALL" && !/^\/(docs|dashboard)\//.test(path))
      .map(({ method, path }) => `${method} ${path.replace("/*", "/{key}")}`);
    expect(operations.map(({ name }) => name).toSorted()).toEqual([...new Set(routes)].toSorted());
  });

  it("names every operation once, and says what each answers", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids).toEqual(ids.map(() => expect.stringMatching(/^[a-z][A-Za-z]+$/)));
    expect(new Set(ids).size).toBe(ids.length);
    for (const { name, operation } of operations) {
      const statuses = Object.keys(operation.responses ?? {});
      expect(statuses, name).not.toEqual([]);
      for (const status of statuses) expect(status).toMatch(/^[1-5]\d\d$/);
    }
  });

  it("shows the very schemas that check requests", () => {
    const shown = (path: string) => paths[path]?.post?.requestBody?.content["application/json"]?.schema;
    expect(shown("/set")).toBe(OPERATIONS.set.request.schema);
    expect(shown("/delete")).toBe(OPERATIONS.delete.request.schema);
    expect(shown("/patch")).toBe(OPERATIONS.patch.request.schema);
    expect(shown("/batch")).toBe(OPERATIONS.batch.request.schema);
    expect(shown("/schema")).toBe(OPERATIONS.setSchema.request.schema);
  });

  it("shows that a patch can be the body itself, and where its other fields are then", () => {
    const { properties } = OPERATIONS.patch.request.schema as { properties: Record<string, unknown> };
    const operation = paths["/patch"]?.post;
    const content = operation?.requestBody?.content ?? {};
    expect(content["application/merge-patch+json"]?.schema).toBe(properties.merge);
    expect(content["application/json-patch+json"]?.schema).toBe(properties.patch);
    const inQuery = operation?.parameters?.filter((parameter) => parameter.in === "query");
    expect(inQuery?.map(({ name, required }) => [name, required])).toEqual([
      ["key", false],
      ["expect", false],
      ["ttl", false],
    ]);
  });

  it("declares every parameter of a path", () => {
    for (const { path, operation } of operations) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      for (const { required } of inPath) expect(required).toBe(true);
    }
  });

  it("refers to nothing that is not in it", () => {
    const text = JSON.stringify(openApiDocument);
    const components: Record<string, object> = openApiDocument.components.schemas;
    const refs = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, ref]) => ref);
    expect(refs).not.toEqual([]);
    for (const ref of new Set(refs)) {
      expect(ref).toMatch(/^#\/components\/schemas\/\w+$/);
      expect(components).toHaveProperty(ref?.split("/").at(-1) ?? "");
    }
  });

  it("lists the status of what really happens", async () => {
    const answers = {
      "GET /get": await request("GET", "/get"),
      "POST /set": await request("POST", "/set", { body: "{}", headers: { "content-type": "text/plain" } }),
      "GET /schema": await request("GET", `/schema?key=${freshKey()}`),
      "DELETE /schema": await request("DELETE", "/schema?key=a", { apiKey: null }),
      "POST /schema": await request("POST", "/schema", { body: '{"key":"a","schema":{"type":1}}' }),
      "GET /subscribe/{key}": await request("GET", "/subscribe/a"),
      "GET /health": await request("GET", "/health"),
    };
    for (const [name, { status }] of Object.entries(answers)) {
      const responses = operations.find((operation) => operation.name === name)?.operation.responses;
      expect(responses, name).toHaveProperty(String(status));
    }
  });
});

describe("/docs", () => {
  it("is a page whose scripts, styles and icons all come from here", async () => {
    const response = await request("GET", "/docs", { apiKey: null });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/html\b/);
    const html = await response.text();
    expect(html).not.toMatch(/https?:|["'=]\/\//);
    const named = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url as string);
    expect(named.length).toBeGreaterThanOrEqual(4);
    const types: Record<string, RegExp> = {
      js: /^(text|application)\/javascript\b/,
      css: /^text\/css\b/,
      png: /^image\/png\b/,
      json: /^application\/json\b/,
    };
    for (const url of named) {
      expect(url).toMatch(/^\/[^/]/);
      const file = await request("GET", url, { apiKey: null });
      expect(file.status, url).toBe(200);
      expect(file.headers.get("content-type"), url).toMatch(types[url.split(".").at(-1) ?? ""] ?? /^$/);
      expect((await file.arrayBuffer()).byteLength, url).toBeGreaterThan(0);
    }
  });

  it("lets the browser load and ask nothing from anywhere else, and nobody frame it", async () => {
    const response = await request("GET", "/docs", { apiKey: null });
    const policy = response.headers.get("content-security-policy") ?? "";
    const directives = Object.fromEntries(
      policy.split(";").map((directive) => directive.trim().split(/ (.*)/s).slice(0, 2) as [string, string]),
    );
    expect(directives).toMatchObject({
      "default-src": "'none'",
      "script-src": "'self'",
      "connect-src": "'self'",
      "frame-ancestors": "'none'",
    });
    expect(policy).not.toMatch(/https?:|\*/);
  });
});

describe("a page of another origin", () => {
  it.each([
    ["/set", "POST"],
    ["/get", "GET"],
    ["/schema", "DELETE"],
    ["/nowhere", "POST"],
  ])("may ask whether it may call %s with %s", async (path, method) => {
    const response = await request("OPTIONS", path, {
      apiKey: null,
      headers: {
        origin: ORIGIN,
        "access-control-request-method": method,
        "access-control-request-headers": "x-api-key, content-type",
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const list = (name: string) => (response.headers.get(name) ?? "").toLowerCase().split(/ *, */);
    expect(list("access-control-allow-headers")).toEqual(expect.arrayContaining(["x-api-key", "content-type"]));
    expect(list("access-control-allow-methods")).toContain(method.toLowerCase());
    // With "*" for an origin, cookies are never sent.
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
  });

  it("may read the answer, and when to try again", async () => {
    const key = freshKey();
    await set(key, 1);
    const response = await request("GET", `/get?key=${key}`, { headers: { origin: ORIGIN } });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-expose-headers")?.toLowerCase()).toContain("retry-after");
  });

  it.each([
    ["GET", "/get", "local_dev_key", 422],
    ["GET", "/get?key=a", null, 401],
    ["GET", "/get?key=a", "unknown", 403],
    ["GET", "/nowhere", "local_dev_key", 404],
    ["GET", "/set", "local_dev_key", 405],
    ["GET", "/subscribe/a", "local_dev_key", 426],
  ])("may read an error: %s %s with the API key %s", async (method, path, apiKey, status) => {
    const response = await request(method, path, { apiKey, headers: { origin: ORIGIN } });
    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
  });
});

describe("HEAD", () => {
  it.each(["/health", "/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui.css"])(
    "is answered as GET is, without the body: %s",
    async (path) => {
      const [head, got] = [await request("HEAD", path), await request("GET", path)];
      expect(head.status).toBe(200);
      expect(head.headers.get("content-type")).toBe(got.headers.get("content-type"));
      expect(await head.text()).toBe("");
      expect(await got.text()).not.toBe("");
    },
  );

  it("tells whether a read would be allowed, and changes nothing", async () => {
    const key = freshKey();
    await set(key, 1);
    const before = await get(key);
    expect((await request("HEAD", `/get?key=${key}`)).status).toBe(200);
    expect((await request("HEAD", `/get?key=${key}`, { apiKey: null })).status).toBe(401);
    expect((await request("HEAD", `/schema?key=${key}`)).status).toBe(404);
    expect(await get(key)).toBe(before);
  });

  it("opens no socket", async () => {
    for (const path of ["/subscribe/a", "/watch?pattern=*"]) {
      // By hand, because the platform's own client asks for a WebSocket with GET whatever it is told.
      const headers = { "x-api-key": "local_dev_key", upgrade: "websocket" };
      const head = new Request(`http://memx${path}`, { method: "HEAD", headers });
      expect((await app.fetch(head, env, createExecutionContext())).status).toBe(426);
    }
  });

  it("is not a way to write", async () => {
    const response = await request("HEAD", "/set");
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toContain("POST");
  });
});

describe("a refused method", () => {
  it("is told in the form of every failure", async () => {
    const { detail } = await problem(await request("PUT", "/health"), "method_not_allowed");
    expect(detail).toContain("PUT");
  });
});
