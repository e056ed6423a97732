// `GET /whoami`: what a caller needs to know of itself and of this memX before it calls anything else.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { version } from "../../package.json";
import { app } from "../../worker/app.ts";
import { openApiDocument } from "../../worker/openapi/document.ts";
import { createAgent, setOperation } from "../support/agent.ts";
import { captureLog } from "../support/capture-log.ts";
import { freshKey, post, problem, request } from "../support/client.ts";
import { engine } from "../support/engine.ts";
import { grant } from "../support/grant.ts";

type WhoAmI = { scopes: { read: string[]; write: string[] }; limits: Record<string, number>; name?: string };

async function whoami(apiKey: string): Promise<WhoAmI> {
  const response = await request("GET", "/whoami", { apiKey });
  expect(response.headers.get("content-type")).toBe("application/json");
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text);
}

it("names the engine, the version, the scopes and the limits", async () => {
  expect(await whoami("local_dev_key")).toEqual({
    engine,
    version,
    scopes: { read: ["*"], write: ["*"] },
    limits: expect.any(Object),
  });
});

it("shows scopes as the caller writes keys, and nothing of its namespace", async () => {
  const namespace = "w1h2o3a4";
  const read = [`${namespace}:agent:*`, "*:shared", `${namespace}:a?[bc]`, "another1:*", "plain"];
  grant({ "key-of-w": { read, write: [`${namespace}:agent:log`, `${namespace}:*`], user_id: `${namespace}-rest` } });
  const told = await whoami("key-of-w");
  expect(told.scopes).toEqual({ read: ["agent:*", "*:shared", "shared", "a?[bc]"], write: ["agent:log", "*"] });
  expect(JSON.stringify(told)).not.toContain(namespace);
  grant({ "key-without-scopes": { read: [], write: [], user_id: `${namespace}-rest` } });
  expect((await whoami("key-without-scopes")).scopes).toEqual({ read: [], write: [] });
});

it("shows the name of an API key that has one", async () => {
  grant({ "key-with-a-name": { read: ["*"], write: [], user_id: "", name: "ci, nightly" } });
  expect(await whoami("key-with-a-name")).toMatchObject({ name: "ci, nightly" });
  grant({ "key-without-a-name": { read: ["*"], write: [], user_id: "" } });
  expect(await whoami("key-without-a-name")).not.toHaveProperty("name");
});

it("tells no value and no name of a key", async () => {
  const agent = createAgent({ read: [] });
  await agent.writeUnannounced(setOperation("a-name", "a-value"));
  const text = await (await agent.send("/whoami")).text();
  expect(text).not.toMatch(/a-name|a-value/);
  expect(text).not.toContain(agent.namespace);
});

it("tells the limits that calls run into", async () => {
  const { limits } = await whoami("local_dev_key");
  for (const [name, value] of Object.entries(limits)) expect(value, name).toBeGreaterThan(0);
  const sent = async (key: string, value: string, more: object = {}) =>
    (await post("/set", { key, value, ...more })).status;
  expect([
    await sent("k".repeat(limits.key as number), ""),
    await sent("k".repeat((limits.key as number) + 1), ""),
  ]).toEqual([200, 422]);
  const text = (bytes: number) => "x".repeat(bytes - 2);
  const key = freshKey();
  const {
    value = 0,
    ttl = 0,
    operations = 0,
    keys = 0,
    agent = 0,
    patterns = 0,
    pattern = 0,
    wait = 0,
    history = 0,
  } = limits;
  expect([await sent(key, text(value)), await sent(key, text(value + 1))]).toEqual([200, 413]);
  expect([await sent(key, "", { ttl }), await sent(key, "", { ttl: ttl + 1 })]).toEqual([200, 422]);
  const batch = async (count: number) =>
    (await post("/batch", { operations: Array(count).fill({ op: "delete", key }) })).status;
  expect([await batch(operations), await batch(operations + 1)]).toEqual([200, 422]);
  const readMany = async (count: number) => (await post("/read", { keys: Array(count).fill("absent") })).status;
  expect([await readMany(keys), await readMany(keys + 1)]).toEqual([200, 422]);
  const named = async (length: number) =>
    (await post("/set", { key, value: 1 }, { headers: { "x-memx-agent": "a".repeat(length) } })).status;
  expect([await named(agent), await named(agent + 1)]).toEqual([200, 422]);
  const get = async (path: string) => (await request("GET", path)).status;
  const poll = (count: number, length: number) =>
    get(`/changes?since=0&wait=0${`&pattern=${"a".repeat(length)}`.repeat(count)}`);
  expect([await poll(patterns, 1), await poll(patterns + 1, 1)]).toEqual([200, 422]);
  expect([await poll(1, pattern), await poll(1, pattern + 1)]).toEqual([200, 422]);
  expect(await get(`/changes?since=0&pattern=a&wait=${wait + 1}`)).toBe(422);
  expect([await get(`/history?key=a&limit=${history}`), await get(`/history?key=a&limit=${history + 1}`)]).toEqual([
    200, 422,
  ]);
  expect(limits.log).toBe(LIMITS.logLength);
});

it("says in the OpenAPI document what each limit is about", async () => {
  const { limits } = await whoami("local_dev_key");
  const shown = JSON.parse(JSON.stringify(openApiDocument)).paths["/whoami"].get.responses[200];
  const { properties } = shown.content["application/json"].schema.properties.limits;
  expect(Object.keys(properties)).toEqual(Object.keys(limits));
});

it("is refused as every call that needs the store is if the length of the log is set to no number", async () => {
  const logged = captureLog();
  const headers = { "x-api-key": "local_dev_key" };
  const broken = { ...env, LOG_LENGTH: "many" };
  const response = await app.fetch(new Request("http://memx/whoami", { headers }), broken, createExecutionContext());
  await problem(response, "store_unavailable");
  // On Redis the response itself says which setting is wrong.
  expect(logged).toEqual(engine === "embedded" ? ["store_unavailable"] : []);
});

it("needs an API key, takes only GET, and calls no store", async () => {
  await problem(await request("GET", "/whoami", { apiKey: null }), "missing_api_key");
  await problem(await request("GET", "/whoami", { apiKey: "unknown" }), "invalid_api_key");
  await problem(await request("POST", "/whoami"), "method_not_allowed");
  const timing = (await request("GET", "/whoami")).headers.get("server-timing") ?? "";
  expect(timing.split(",").map((metric) => metric.split(";")[0])).toEqual(["access", "total"]);
  expect(env.MEMX_ENV).toBe("development");
});
