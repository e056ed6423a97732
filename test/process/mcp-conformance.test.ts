// The official MCP conformance suite, against the deployed bundle on workerd. What memX is expected to fail is listed beside, each
// check with its reason.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { dataFolder } from "./support/dev-server.ts";
import { startWorkerd } from "./support/workerd.ts";

const SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js";

/** Scenarios that memX must pass as a whole, so that nobody lists them by mistake. */
const REQUIRED = {
  "2025-11-25": [
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
  ],
  "2026-07-28": [
    "tools-list",
    "resources-list",
    "prompts-list",
    "caching",
    "sep-2164-resource-not-found",
    "dns-rebinding-protection",
    "server-sse-multiple-streams",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-ignore-extra-params",
    "input-required-result-validate-input",
    "http-header-validation",
  ],
} as const;

/** The suite sends no API key, so a proxy adds it, and changes nothing else. */
async function startKeyProxy(url: string, apiKey: string): Promise<number> {
  const { hostname, port } = new URL(url);
  const forward: RequestListener = (incoming, outgoing) => {
    const headers = { ...incoming.headers, "x-api-key": apiKey };
    const upstream = request({ hostname, port, method: incoming.method, path: incoming.url, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  };
  const proxy = createServer(forward).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return (proxy.address() as AddressInfo).port;
}

it.each(Object.keys(REQUIRED) as (keyof typeof REQUIRED)[])(
  "passes the suite for %s, except for checks that need what memX does not have",
  { timeout: 600_000 },
  async (revision) => {
    const { url, output } = await startWorkerd();
    const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
    await fetch(`${url}/set`, { method: "POST", headers, body: '{"key":"a","value":1}' });
    const port = await startKeyProxy(url, "local_dev_key");
    const baseline = `test/process/mcp-conformance/${revision}.yml`;
    const args = ["server", "--url", `http://localhost:${port}/mcp`, "--requirements", revision];
    const options = ["--output-dir", join(dataFolder(), "results"), "--expected-failures", baseline];
    const run = promisify(execFile)(process.execPath, [SUITE, ...args, ...options], { maxBuffer: 2 ** 26 });
    const { code = 0, stdout } = (await run.catch((error: { code: number; stdout: string }) => error)) as {
      code?: number;
      stdout: string;
    };
    expect(code, stdout.slice(stdout.indexOf("=== SUMMARY ==="))).toBe(0);
    for (const scenario of REQUIRED[revision])
      expect(stdout).toMatch(new RegExp(`✓ ${scenario}: [1-9]\\d* passed, 0 failed`));
    expect(output()).not.toContain("internal");
  },
);

it.each(Object.keys(REQUIRED))("gives a reason for each check of %s that it expects to fail", (revision) => {
  const [, entries = ""] = readFileSync(`test/process/mcp-conformance/${revision}.yml`, "utf8").split("server:\n");
  for (const entry of entries.trimEnd().split("\n")) {
    expect(entry).toMatch(
      /^ {2}- [\w-]+:[\w-]+ # (memX does not offer|calls a tool of|gets a prompt of|reads a resource of) /,
    );
  }
});
