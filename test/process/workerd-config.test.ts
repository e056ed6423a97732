// config/workerd.capnp must match wrangler.toml, so that `npm start` runs the same as a deploy.

import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import { LIMITS } from "../../config/limits.ts";

const require = createRequire(import.meta.url);
/** TypeScript cannot resolve wrangler's own type here. */
const deployed = readConfig({ config: "wrangler.toml" }) as unknown as {
  readonly compatibility_date: string;
  readonly compatibility_flags: readonly string[];
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly ratelimits: readonly { readonly name: string; readonly simple: object }[];
  readonly assets: { readonly directory: string; readonly binding: string };
};
const served = readFileSync("config/workerd.capnp", "utf8").replace(/#.*$/gm, "");
const all = (pattern: RegExp) => [...served.matchAll(pattern)].map(([, name]) => name);

it("has the same compatibility date and flags", () => {
  expect(served).toContain(`compatibilityDate = "${deployed.compatibility_date}"`);
  expect(served).toContain(`compatibilityFlags = ${JSON.stringify(deployed.compatibility_flags)}`);
});

it("has the same Durable Objects, with SQL", () => {
  const bindings = deployed.durable_objects.bindings.map(({ name, class_name }) => [name, class_name]);
  expect(
    [...served.matchAll(/name = "(\w+)", durableObjectNamespace = "(\w+)"/g)].map((match) => match.slice(1)),
  ).toEqual(bindings);
  expect(all(/className = "(\w+)", uniqueKey = "\w+", enableSql = true/g)).toEqual(bindings.map(([, name]) => name));
});

it("serves the same files for the dashboard and the page at /docs", () => {
  expect(all(/name = "(\w+)", service = "assets"/g)).toEqual([deployed.assets.binding]);
  expect(all(/"assets", disk = \( path = "([^"]+)" \)/g)).toEqual([deployed.assets.directory]);
});

it("binds every setting except MEMX_ENV, the rate limiter and the data set of metrics", () => {
  const settings = [...readFileSync("worker/env.d.ts", "utf8").matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name);
  const bound = all(/fromEnvironment = "(\w+)"/g);
  expect([...bound, "MEMX_ENV", "METRICS_DATASET", "RATE_LIMITER"].sort()).toEqual(settings.sort());
  expect(all(/name = "(\w+)", fromEnvironment/g)).toEqual(bound);
});

it("has the same rate limit, which memX counts itself where there is no limiter", () => {
  const limits = { limit: LIMITS.callsPerPeriod, period: LIMITS.callPeriodSeconds };
  expect(deployed.ratelimits.map(({ name, simple }) => [name, simple])).toEqual([["RATE_LIMITER", limits]]);
});

it("has every Lua script", () => {
  const scripts = globSync("memory/**/*.lua").map((path) => basename(path));
  expect(all(/text = embed "..\/dist\/([^"]+)"/g)).toEqual(scripts.sort());
});

it("has every module of the bundle, and the MCP server in one of its own, which is read when it is first needed", () => {
  expect(all(/esModule = embed "..\/dist\/([^"]+)"/g)).toEqual(["index.js", "mcp-sdk.mjs"]);
  const [main, mcp] = ["dist/index.js", "dist/mcp-sdk.mjs"].map((path) => readFileSync(path, "utf8"));
  expect(main).toContain('import("./mcp-sdk.mjs")');
  for (const [text, isThere] of [
    [main, false],
    [mcp, true],
  ] as const) {
    expect(text?.includes("notifications/initialized")).toBe(isThere);
  }
});

it("exposes the sweep only to this machine", () => {
  expect(all(/address = "([^"]+)", service = \( name = "memx", entrypoint = "sweep" \)/g)).toEqual(["127.0.0.1:0"]);
  expect(all(/address = "([^"]+)", service = "memx"/g)).toEqual(["127.0.0.1:8000"]);
});

it("runs on the same version of workerd as wrangler", () => {
  const { dependencies } = require("../../package.json");
  expect(dependencies.workerd).toBe(require("wrangler/package.json").dependencies.workerd);
  expect(globSync("node_modules/**/workerd/package.json")).toEqual(["node_modules/workerd/package.json"]);
});
