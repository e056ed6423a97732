// The command line as users run it, in every version of Node that is here.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { type InstalledSdk, installSdk, type Node, nodes, type Result, run } from "./support/installed-sdk.ts";
import { startWorkerd } from "./support/workerd.ts";

const KEY = "local_dev_key";
const NODES = nodes();
const [OWN] = NODES as [Node];

let sdk: InstalledSdk;
let url: string;

beforeAll(() => {
  sdk = installSdk();
});

afterAll(() => sdk.remove());

type Options = { readonly node?: Node; readonly env?: NodeJS.ProcessEnv; readonly input?: string | Uint8Array };

function environment(env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, MEMX_BASE_URL: url, MEMX_API_KEY: KEY, ...env };
}

function cliArguments(node: Node): string[] {
  return [...node.flags, join(sdk.folder, "dist/typescript/cli.js")];
}

function cli(args: readonly string[], { node = OWN, env, input }: Options = {}): Promise<Result> {
  const options = { cwd: sdk.project, env: environment(env), ...(input !== undefined && { input }) };
  return run(node.path, [...cliArguments(node), ...args], options);
}

/** Starts a command that goes on, and collects its lines. */
function start(args: readonly string[], { node = OWN, env }: Options = {}) {
  const child = spawn(node.path, [...cliArguments(node), ...args], { cwd: sdk.project, env: environment(env) });
  onTestFinished(() => void child.kill());
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return { child, lines, stderr: () => stderr, ended: once(child, "exit") };
}

/** The text of memX's response, without the client. */
async function request(path: string, body?: string): Promise<string> {
  const headers = { "x-api-key": KEY, "content-type": "application/json" };
  const response = await fetch(`${url}${path}`, body === undefined ? { headers } : { method: "POST", headers, body });
  return response.text();
}

const readValue = async (key: string) => {
  const text = await request(`/get?key=${encodeURIComponent(key)}`);
  return /^\{"value":(.*),"ts":[^[\]{}]*\}$/s.exec(text)?.[1];
};

describe("with memX", () => {
  beforeEach(async () => {
    url = (await startWorkerd()).url;
  });

  it("prints lines of JSON, and has exit codes", async () => {
    expect(await cli(["get", "a"])).toEqual({ code: 3, stdout: "", stderr: "" });
    expect(await cli(["set", "a", "[1]", "--expect", "0"])).toMatchObject({ code: 0, stderr: "" });
    expect(await cli(["set", "a", "[2]", "--expect", "0"])).toMatchObject({ code: 4 });
    expect(JSON.parse((await cli(["increment", "n", "-2"])).stdout)).toMatchObject({ value: -2 });
    expect((await cli(["keys", "--values"])).stdout.trim().split("\n")).toHaveLength(2);
    expect((await cli(["keys", "--limit", "1"])).stdout.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse((await cli(["schema", "set", "n", '{"type":"number"}'])).stdout)).toMatchObject({ ok: true });
    expect(await cli(["set", "n", '"text"'])).toMatchObject({ code: 1 });
    expect(await cli(["get", "n", "--key", "unknown_key"])).toMatchObject({ code: 1 });
    expect(await cli(["schema", "set", "n", "true", "--expect", "0"])).toMatchObject({ code: 4 });
    expect(await cli(["schema", "get", "nothing"])).toMatchObject({ code: 3, stdout: "" });
    expect(await cli(["delete", "n"])).toMatchObject({ code: 0 });
    expect((await cli(["history", "n", "--limit", "1"])).stdout).toContain('"action":"delete"');
    expect(JSON.parse((await cli(["whoami"])).stdout)).toMatchObject({ version: expect.any(String) });
    expect(await cli(["health"], { env: { MEMX_API_KEY: "" } })).toMatchObject({ code: 0 });
    expect(await cli(["set", "a", "1", "--agent", "planner"])).toMatchObject({ code: 0 });
    expect(JSON.parse((await cli(["get", "a"])).stdout)).toMatchObject({ by: "planner" });
    expect(await cli(["set", "a", "2", "--ttl", "1000"])).toMatchObject({ code: 0 });
    expect(await cli(["set", "a", "3", "--ttl", "keep"])).toMatchObject({ code: 0 });
    expect(JSON.parse((await cli(["get", "a"])).stdout)).toMatchObject({ value: 3, expires: expect.any(Number) });
  });

  it("takes the API key from the environment or a file, and warns of one in its arguments", async () => {
    const file = join(sdk.project, "api-key");
    writeFileSync(file, `${KEY}\n`);
    const noKey = { env: { MEMX_API_KEY: "" } };
    const badKey = { env: { MEMX_API_KEY: "unknown_key" } };
    const nothing = { code: 3, stdout: "", stderr: "" };
    expect(await cli(["get", "a"])).toEqual(nothing);
    for (const options of [noKey, badKey])
      expect(await cli(["get", "a", "--key-file", file], options)).toEqual(nothing);
    const warning =
      "Warning: other users of this machine can see --key in its list of processes. Use MEMX_API_KEY or --key-file.\n";
    expect(await cli(["get", "a", "--key", KEY], badKey)).toEqual({ ...nothing, stderr: warning });
    expect(await cli(["health", "--key", KEY], noKey)).toMatchObject({ code: 0, stderr: warning });

    const refuse = async (args: string[], message: string) =>
      expect(await cli(["get", "a", ...args], noKey)).toEqual({ code: 2, stdout: "", stderr: `${message}\n` });
    await refuse(["--key", KEY, "--key-file", file], "--key and --key-file exclude each other.");
    await refuse(["--key-file", `${file}s`], `--key-file: ${file}s cannot be read (ENOENT).`);
    for (const text of ["", "\n", "one two", "one\ntwo\n"]) {
      writeFileSync(file, text);
      await refuse(["--key-file", file], `--key-file: ${file} must contain one API key.`);
    }
  });

  it("leaves every key as it is", async () => {
    const keys = [" -5", "-", "--", "--key", "-1", "-100123", "-5 ", "-a", "=", "{}"];
    await Promise.all(keys.map((key) => cli(["set", ...(/^-\d/.test(key) ? [key] : ["--", key]), '"mine"'])));
    expect(JSON.parse(await request("/keys")).keys.map((entry: { key: string }) => entry.key)).toEqual(keys.sort());
    for (const key of keys) expect((await cli(["get", "--", key])).stdout, key).toContain('"mine"');
    expect(await cli(["set", "--", "-1", "-1"])).toMatchObject({ code: 0 });
    expect(await cli(["delete", "-100123"])).toMatchObject({ stdout: expect.stringContaining('"deleted":true') });
    expect(await readValue("-1")).toBe("-1");
    expect(await cli(["set", "", "1"])).toMatchObject({ code: 1 });
  });

  it.each(NODES)("writes and prints values as their text, in $name", async (node) => {
    const text = '{"big":9007199254740993,"one":1.0,"zero":-0.0,"exp":1E+2,"e":"\\u00e9","list":[0.10,{"a":[]}]}';
    expect(await cli(["set", "a", text], { node })).toMatchObject({ code: 0, stderr: "" });
    expect(await readValue("a")).toBe(text);
    expect((await cli(["get", "a"], { node })).stdout).toMatch(`{"value":${text},"ts":`);
    expect(await cli(["set", "a", "-"], { node, input: ` \ufeff${text}`.trim() })).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect(await readValue("a")).toBe(text);
    const listed = await cli(["keys", "--values"], { node });
    expect(listed.stdout).toContain(text);
    expect((await cli(["history", "a"], { node })).stdout.trim().split("\n")).toEqual([
      expect.stringContaining(`"value":${text}`),
      expect.stringContaining(`"value":${text}`),
    ]);
    await cli(["set", "n", "9007199254740993"], { node });
    expect((await cli(["increment", "n", "9007199254740993"], { node })).stdout).toContain('"value":18014398509481986');
    await cli(["append", "l", "1.0", "-", "3.00"], { node, input: "2.00" });
    expect(await readValue("l")).toBe("[1.0,2.00,3.00]");
    await cli(["merge", "m", '{"a":1.0}'], { node });
    await cli(["patch", "m", '[{"op":"add","path":"/b","value":2.00}]'], { node });
    expect(await readValue("m")).toBe('{"a":1.0,"b":2.00}');
    await cli(["schema", "set", "s", '{"maximum":1.0}'], { node });
    expect((await cli(["schema", "get", "s"], { node })).stdout).toContain('"schema":{"maximum":1.0}');
  });

  it("prints one line for a value that has line breaks, in every command", async () => {
    await request("/set", '{"key":"a","value":{"x":\n1.0,\r\n"y":"\\n"}}');
    const line = /^\{.*"value":\{"x": 1\.0, "y":"\\n"\}.*\}\n$/;
    expect((await cli(["get", "a"])).stdout).toMatch(line);
    expect((await cli(["keys", "--values"])).stdout).toMatch(line);
    expect((await cli(["history", "a"])).stdout).toMatch(line);
    expect((await cli(["watch", "*", "--snapshot", "--limit", "1"])).stdout).toMatch(line);
  });

  it("lets memX refuse what it refuses, and changes nothing", async () => {
    await cli(["set", "a", "1"]);
    for (const text of ['{"a":1,"a":2}', "1e400", '"\\ud800"', "[".repeat(100) + "]".repeat(100)]) {
      expect(await cli(["set", "a", text]), text).toMatchObject({ code: 1, stdout: "" });
      expect(await cli(["set", "a", "-"], { input: text }), text).toMatchObject({ code: 1, stdout: "" });
    }
    expect(await readValue("a")).toBe("1");
  });

  it.each<[name: string, input: Uint8Array | string, message: string]>([
    ["nothing", "", "Standard input is empty."],
    ["white space", " \n", "Standard input is empty."],
    ["a byte order mark alone", "\ufeff", "Standard input is empty."],
    ["bytes that are not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), "Standard input is not valid UTF-8."],
    ["UTF-16", new Uint8Array([0xff, 0xfe, 0x31, 0]), "Standard input is not valid UTF-8."],
    ["half a value", "{", `Not valid JSON: standard input. A string needs its own quotes: '"like this"'.`],
  ])("refuses %s on standard input", async (_, input, message) => {
    expect(await cli(["set", "a", "-"], { input })).toEqual({ code: 2, stdout: "", stderr: `${message}\n` });
    expect(await readValue("a")).toBeUndefined();
  });

  it("refuses an argument that is not UTF-8", async () => {
    const script = '"$@" "$(printf "a\\377")" 1';
    const refused = await run("sh", ["-c", script, "sh", OWN.path, ...cliArguments(OWN), "set"], {
      env: environment(),
      cwd: sdk.project,
    });
    expect(refused).toEqual({ code: 2, stdout: "", stderr: "An argument is not valid UTF-8.\n" });
    expect(JSON.parse(await request("/keys")).keys).toEqual([]);
    // As valid UTF-8, U+FFFD is a character like others.
    expect(await cli(["set", "a\ufffd", "1"])).toMatchObject({ code: 0 });
  });

  it.each(NODES)("does not succeed if its output cannot be written, in $name", async (node) => {
    await cli(["set", "a", "1"]);
    for (const command of [["get", "a"], ["keys"], ["--help"], ["--version"]]) {
      const full = openSync("/dev/full", "w");
      const child = spawn(node.path, [...cliArguments(node), ...command], {
        env: environment(),
        stdio: ["ignore", full, "pipe"],
      });
      let stderr = "";
      child.stderr?.on("data", (chunk) => {
        stderr += chunk;
      });
      const [code] = await once(child, "close");
      expect({ command, code, stderr }).toMatchObject({ code: 6, stderr: expect.stringContaining("ENOSPC") });
    }
  });

  it("ends without a word if its reader leaves", async () => {
    for (let n = 0; n < 200; n++) await request("/set", JSON.stringify({ key: `k${n}`, value: "x".repeat(5_000) }));
    const child = spawn(OWN.path, [...cliArguments(OWN), "keys", "--values"], { env: environment() });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = await once(child, "close");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it.each(NODES)("watches in $name", async (node) => {
    const text = '{"n":1.0,"big":9007199254740993}';
    await cli(["set", "before", text]);
    const watching = start(["watch", "*", "--snapshot", "--limit", "3"], { node });
    await expect.poll(() => watching.lines.length).toBe(1);
    await cli(["set", "a", text]);
    await cli(["delete", "a"]);
    expect(await watching.ended).toEqual([0, null]);
    const expected = ["before", "a"].map((key) =>
      expect.stringContaining(`"action":"set","key":"${key}","value":${text},`),
    );
    expect(watching.lines).toEqual([...expected, expect.stringContaining('"action":"delete","key":"a"')]);
    expect(watching.stderr()).toBe("");
  });

  it.each(NODES)("ends a watch that memX refuses, in $name", async (node) => {
    const refused = await cli(["watch", "*"], { node, env: { MEMX_API_KEY: "unknown_key" } });
    expect(refused).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("API key") });
  });
});

it.each(NODES)("says at once that memX is away, and keeps watching, in $name", async (node) => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const watching = start(["watch", "*"], { node });
  await expect.poll(watching.stderr).not.toBe("");
  expect(watching.stderr()).toMatch(
    new RegExp(`^memX cannot be reached at ${url}: .*ECONNREFUSED.* memx-sdk keeps trying\\.\n$`),
  );
  // Not memX, which it does not say again.
  const server = createServer((_, response) => response.writeHead(404).end("<html>")).listen(port, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "request");
  await once(server, "request");
  expect(watching.stderr().trim().split("\n")).toHaveLength(1);
  expect(watching.child.exitCode).toBeNull();
  watching.child.kill("SIGINT");
  expect(await watching.ended).toEqual([0, null]);
});

it.each(NODES)("exits with 5 if memX is away, in $name", async (node) => {
  url = `http://127.0.0.1:${await freePort()}`;
  const commands = [["get", "a"], ["keys"], ["health"], ["watch", "*", "--limit", "1"]];
  for (const { code, stdout, stderr } of await Promise.all(commands.map((command) => cli(command, { node })))) {
    expect({ code, stdout }, stderr).toEqual({ code: 5, stdout: "" });
    expect(stderr).toContain(`memX cannot be reached at ${url}`);
  }
});

it.each(NODES)("exits with 5 if it is not memX that responds, in $name", async (node) => {
  const server = createServer((_, response) => response.writeHead(404).end("<html>")).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  for (const command of [
    ["get", "a"],
    ["schema", "get", "a"],
    ["watch", "*", "--limit", "1"],
  ]) {
    const { code, stderr } = await cli(command, { node });
    expect({ command, code }).toEqual({ command, code: 5 });
    expect(stderr).toContain(`The response of ${url} has status 404 and does not come from memX.`);
  }
});

it("reports a usage error in one line, with exit code 2", async () => {
  url = "http://127.0.0.1:9";
  const more = "Run memx-sdk --help for the options.";
  const wrong: [args: string[], message: string][] = [
    [[], "No command. Run memx-sdk --help for the commands."],
    [["gte", "a"], "Unknown command: gte. Run memx-sdk --help for the commands."],
    [["get", "a", "b"], "Usage: memx-sdk get KEY"],
    [["append", "a"], "Usage: memx-sdk append KEY JSON..."],
    [["get", "a", "--tll", "3"], `Unknown option: --tll. ${more}`],
    [["get", "a", "--constructor=3"], `Unknown option: --constructor. ${more}`],
    [["get", "a", "-t"], `Unknown option: -t. ${more}`],
    [["get", "a", "--ttl", "3"], "The command get has no option --ttl. Run memx-sdk get --help."],
    [["get", "a", "--key"], `The option --key needs a value. ${more}`],
    [["get", "a", "--key", "--url"], `The option --key needs a value. ${more}`],
    [["set", "a", "1", "--ttl", "3", "--ttl", "4"], `The option --ttl is there twice. ${more}`],
    [["keys", "--values=1"], `The option --values takes no value. ${more}`],
    [["set", "a", "1", "--expect", "-1"], "--expect must be a whole number."],
    [["set", "a", "1", "--expect", "9007199254740993"], "--expect must be a whole number."],
    [["set", "a", "1", "--ttl", "0x10"], "--ttl must be a number."],
    [["increment", "a", "1,5"], "BY must be a number."],
    [["watch", "*", "--event", "values"], "--event must be value, schema or all."],
    [["watch", "*", "--snapshot", "--since", "5"], "--snapshot and --since exclude each other."],
    [["set", "a", "{"], `Not valid JSON: {. A string needs its own quotes: '"like this"'.`],
    [["set", "a", ""], `Not valid JSON: an empty argument. A string needs its own quotes: '"like this"'.`],
    [["append", "a", "-", "-"], "Standard input can be one argument only."],
    [["health", "--url", "memx"], 'The base URL must be an HTTP or HTTPS URL, not "memx". Write http://memx instead.'],
    [["get", "a", "--key="], "No API key. Set MEMX_API_KEY, or pass --key-file."],
  ];
  const results = await Promise.all(wrong.map(([args]) => cli(args)));
  expect(results).toEqual(wrong.map(([, message]) => ({ code: 2, stdout: "", stderr: `${message}\n` })));
  const noKey = await cli(["get", "a"], { env: { MEMX_API_KEY: "" } });
  expect(noKey).toEqual({ code: 2, stdout: "", stderr: "No API key. Set MEMX_API_KEY, or pass --key-file.\n" });
});

it("has help for every command that says what it does", async () => {
  const { code, stdout } = await cli(["--help"], { env: { MEMX_API_KEY: "" } });
  expect(code).toBe(0);
  expect(stdout).toContain("Exit codes");
  const [, list = ""] = /^Commands\n((?: {2}.*\n)+)/m.exec(stdout) ?? [];
  const rows = list.trimEnd().split("\n");
  expect(rows).toHaveLength(17);
  const check = async (row: string) => {
    const [, usage = "", does = ""] = /^ {2}(\S.*?) {2,}([A-Z].*\.)$/.exec(row) ?? [];
    const words = usage.split(" ").filter((word) => /^[a-z]+$/.test(word));
    const help = await cli([...words, "--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain(`Usage: memx-sdk ${usage}\n\n${does}`);
  };
  await Promise.all(rows.map(check));
});

it.each(NODES)("prints its version in $name", async (node) => {
  expect(await cli(["--version"], { node })).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  });
});
