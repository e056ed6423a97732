// The package `memx-server` as operators get it: packed, unpacked beside its dependencies, and run in an empty folder.

import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { packServer } from "../../scripts/pack-server.ts";
import { freePort } from "../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { PATIENT_MS, startProcess } from "./support/dev-server.ts";
import { nodes } from "./support/installed-sdk.ts";

/** `npx` runs the Node of these tests, whichever the machine has. */
const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);

const root = JSON.parse(readFileSync("package.json", "utf8"));

let project: string;
let folder: string;
let tarball: string;
let bin: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "memx-server-"));
  tarball = packServer(project);
  folder = join(project, "node_modules/memx-server");
  mkdirSync(folder, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", folder, "--strip-components", "1"]);
  const { bin: bins, dependencies } = manifest();
  for (const name of Object.keys(dependencies))
    symlinkSync(resolve("node_modules", name), join(project, "node_modules", name));
  // As npm links it.
  bin = join(folder, bins["memx-server"]);
  mkdirSync(join(project, "node_modules/.bin"));
  execFileSync("chmod", ["+x", bin]);
  symlinkSync(bin, join(project, "node_modules/.bin/memx-server"));
  writeFileSync(join(project, "package.json"), "{}");
});

afterAll(() => rmSync(project, { recursive: true, maxRetries: 5, retryDelay: 200 }));

function manifest() {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** Runs it to its end, with no settings but these. */
function ask(args: readonly string[], env: Readonly<Record<string, string>> = {}, node = process.execPath) {
  const { status, stdout, stderr } = spawnSync(node, [bin, ...args], {
    cwd: project,
    encoding: "utf8",
    env: { PATH, ...env },
  });
  return { status, stdout, stderr };
}

async function start(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const settings = { PATH, HOME: project, STORE_TIMEOUT_MS: PATIENT_MS, ...env };
  const child = startProcess(command, args, settings, project);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  await expect.poll(() => output, { timeout: LONG_PATIENCE_MS }).toContain("memX is ready on ");
  return { child, output: () => output };
}

function call(port: string, path: string, apiKey: string, body?: string): Promise<Response> {
  const headers = { "x-api-key": apiKey, "content-type": "application/json" };
  return fetch(`http://127.0.0.1:${port}${path}`, body === undefined ? { headers } : { method: "POST", headers, body });
}

it("passes the package linter, and depends only on the versions that the tests run with", () => {
  execFileSync("node_modules/.bin/publint", ["run", tarball, "--strict"], { stdio: "pipe" });
  const { version, dependencies } = manifest();
  expect(version).toBe(root.version);
  expect(dependencies).toEqual({ redis: root.dependencies.redis, workerd: root.dependencies.workerd });
});

it("needs no package that a lock file would have to fix", () => {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const waiting = Object.keys(manifest().dependencies);
  const seen = new Set<string>();
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const { dependencies = {}, optionalDependencies = {} } = packages[`node_modules/${name}`] ?? {};
    for (const [other, range] of Object.entries({ ...dependencies, ...optionalDependencies })) {
      expect(range, other).toMatch(/^\d+\.\d+\.\d+$/);
      waiting.push(other);
    }
  }
  expect(seen.size).toBeGreaterThan(5);
});

it("serves what was written, by npx, with its options, and leaves nothing behind when npx is stopped", async () => {
  const port = String(await freePort());
  const args = ["--offline", "memx-server", "--port", port, "--data", "./here", "--key", "local_dev_key", "--key=b"];
  // Options take precedence.
  const env = { MEMX_PORT: "1", MEMX_DATA_DIR: "elsewhere", MEMX_ACL: '{"another":["*"]}' };
  const { child, output } = await start("npx", args, env);
  expect(output()).toBe(
    `memX is ready on http://127.0.0.1:${port}   store: embedded   data: ${join(project, "here")}\n`,
  );
  expect((await call(port, "/set", "local_dev_key", '{"key":"a","value":1}')).status).toBe(200);
  expect(await (await call(port, "/get?key=a", "b")).json()).toMatchObject({ value: 1 });
  expect((await call(port, "/get?key=a", "another")).status).toBe(403);
  const page = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: "text/html" } });
  const [, script] = /src="(\/dashboard\/[^"]+)"/.exec(await page.text()) ?? [];
  expect((await fetch(`http://127.0.0.1:${port}${script}`)).status).toBe(200);
  // npx passes it on to its shell only.
  child.kill("SIGTERM");
  const responds = () =>
    fetch(`http://127.0.0.1:${port}/health`).then(
      () => true,
      () => false,
    );
  await expect.poll(responds, { interval: 100 }).toBe(false);
});

it("takes its settings from the environment, and stores in the Redis at --redis", async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis.stop());
  const port = String(await freePort());
  const settings = { MEMX_PORT: port, MEMX_ACL: '{"a-key":["*"]}', MEMX_DATA_DIR: "on-redis" };
  const { child, output } = await start(process.execPath, [bin, "--redis", redis.url], settings);
  expect(output()).toContain(`store: the Redis at ${redis.url}   data: ${join(project, "on-redis")}\n`);
  expect((await call(port, "/set", "a-key", '{"key":"a","value":1}')).status).toBe(200);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

it("prints its version, and every option and setting", () => {
  expect(ask(["--version"])).toEqual({ status: 0, stdout: `${root.version}\n`, stderr: "" });
  const { status, stdout, stderr } = ask(["--help"]);
  expect([status, stderr]).toEqual([0, ""]);
  expect(ask(["-h"]).stdout).toBe(stdout);
  const [, applyHere] = /These apply only here:\n\n([\s\S]*?)\n\n/.exec(readFileSync("docs/deploy.md", "utf8")) ?? [];
  const [, shared] =
    /All three share these\.[\s\S]*?\n\n([\s\S]*?)\n\n/.exec(readFileSync("docs/deploy.md", "utf8")) ?? [];
  const documented = [...`${applyHere}${shared}`.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, names = ""]) =>
    names.match(/[A-Z_]{5,}/g),
  );
  expect(documented.length).toBeGreaterThan(15);
  for (const name of documented) expect(stdout).toMatch(new RegExp(`\\b${name}\\b`));
});

it.each([
  [["--prot", "8000"], "Unknown option '--prot'."],
  [["--port"], "Option '--port <value>' argument missing."],
  [["--port", "eight"], "--port must be a number from 0 to 65535."],
  [["--port", "70000"], "--port must be a number from 0 to 65535."],
  [["--data="], "The option --data needs a value."],
  [["--port", "1", "--port", "2"], "The option --port is there twice."],
  [["8000"], "memx-server takes no argument 8000."],
  [["--help=yes"], "Option '-h, --help' does not take an argument."],
  [
    ["--key", "local_dev_key", "--host", "0.0.0.0"],
    "Everybody knows the API key local_dev_key, so memX does not accept it on 0.0.0.0.",
  ],
])("refuses %j", (args, message) => {
  expect(ask(args)).toEqual({ status: 1, stdout: "", stderr: `${message} Run memx-server --help for the options.\n` });
});

it("refuses --key beside Supabase, and wrong settings of the environment", () => {
  expect(ask(["--key", "a"], { SUPABASE_URL: "https://project.example" }).stderr).toContain("--key does not work with");
  const { status, stderr } = ask(["--key", "a"], { LOG_LENGTH: "nonsense" });
  expect(status).toBe(1);
  expect(stderr).toContain("LOG_LENGTH");
});

it("says which Node it needs", () => {
  const old = nodes().filter(({ name }) => /v20\./.test(name));
  for (const { path } of old) {
    const { status, stderr } = ask(["--key", "a"], {}, path);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^memx-server needs Node 22\.13 or later\. This is Node 20\./);
  }
  expect(manifest().engines).toEqual({ node: ">=22.13" });
});
