// `npm run audit`, with npm itself against registries of this test.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { judge } from "../../scripts/audit.ts";

const ADVISORY = {
  id: 1,
  url: "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
  title: "Lets anyone in",
  severity: "high",
  vulnerable_versions: "<99.0.0",
  cwe: [],
  cvss: { score: 0, vectorString: null },
};

/** Runs the command with a registry that answers a request for advisories so, and knows nothing else. */
async function audit(status: number, advisories: object = {}): Promise<{ code: number; out: string }> {
  const registry = createServer((request, response) => {
    request.resume().once("end", () => {
      const asked = request.url?.endsWith("/advisories/bulk");
      response.writeHead(asked ? status : 404, { "content-type": "application/json" });
      response.end(JSON.stringify(asked ? advisories : {}));
    });
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void registry.close());
  await once(registry, "listening");
  const { port } = registry.address() as AddressInfo;
  // npm keeps advisories in its cache.
  const cache = mkdtempSync(join(tmpdir(), "memx-npm-"));
  onTestFinished(() => rmSync(cache, { recursive: true }));
  const npm = {
    npm_config_registry: `http://127.0.0.1:${port}/`,
    npm_config_cache: cache,
    npm_config_fetch_retries: "0",
  };
  const env = { ...process.env, ...npm };
  return new Promise((resolve) =>
    execFile(process.execPath, ["scripts/audit.ts"], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, out: stdout + stderr }),
    ),
  );
}

it("fails for every known vulnerability of a package, and names it once", async () => {
  const { code, out } = await audit(200, { hono: [ADVISORY] });
  expect(code).toBe(1);
  expect(out).toBe("high: hono <99.0.0: Lets anyone in (https://github.com/advisories/GHSA-aaaa-bbbb-cccc)\n");
});

it("passes if the registry knows of none", async () => {
  expect(await audit(200)).toEqual({ code: 0, out: "npm audit: no vulnerability that concerns memX is known.\n" });
});

it.each([404, 405])("says that it checked nothing if the registry has no advisories (status %i)", async (status) => {
  const { code, out } = await audit(status);
  expect(code).toBe(0);
  expect(out).toMatch(/^npm audit: not checked: the registry has no advisory data \(status \d+\)\. .*\n$/);
});

it("fails if the registry fails", async () => {
  const { code, out } = await audit(500);
  expect(code).toBe(1);
  expect(out).toMatch(/^npm audit failed: .*500/);
});

it("accepts an advisory that has an explanation, and fails for an explanation that has none", () => {
  const { vulnerable_versions: range, ...rest } = ADVISORY;
  const report = { vulnerabilities: { hono: { via: [{ ...rest, name: "hono", range }] }, other: { via: ["hono"] } } };
  const explained = { "GHSA-aaaa-bbbb-cccc": "memX does not use it." };
  const { lines, ...counts } = judge(report, explained);
  expect(counts).toEqual({ passed: 1, failed: 0 });
  expect(lines.join("\n")).toContain("Lets anyone in");
  expect(lines.join("\n")).toContain("memX does not use it.");
  expect(judge({ vulnerabilities: {} }, explained)).toMatchObject({ passed: 0, failed: 1 });
  expect(judge({ message: "fetch failed" }, {})).toMatchObject({ passed: 0, failed: 1 });
});
