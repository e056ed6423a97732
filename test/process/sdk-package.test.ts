// The SDK as users get it: packed, installed into an empty project, and run in Node, in a browser and in a Worker,
// against memX on both stores.

import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { gzipSize, lintPackage, packSdk } from "../../scripts/pack-sdk.ts";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { freePort } from "../support/free-port.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { startProcess } from "./support/dev-server.ts";
import { runScenario, SCENARIO_LOG } from "./support/sdk-scenario.ts";
import { startWorkerd } from "./support/workerd.ts";

const MAX_GZIP_BYTES = 12 * 1024;
const run = promisify(execFile);

let project: string;
let installed: string;
let tarball: string;
let url: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "memx-sdk-"));
  tarball = packSdk(project);
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--offline", tarball], { cwd: project });
  installed = join(project, "node_modules/memx-sdk");
});

afterAll(() => rmSync(project, { recursive: true }));

it("is built by `npm pack`, without files of an earlier build", () => {
  const source = join(import.meta.dirname, "../../sdk/typescript");
  const dist = join(source, "dist");
  const pack = () => {
    execFileSync("npm", ["pack", "--silent", "--pack-destination", project], { cwd: source });
    return execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).trim().split("\n");
  };
  const built = ["index.js", "index.d.ts", "cli.js"].map((file) => `package/dist/typescript/${file}`);

  rmSync(dist, { recursive: true, force: true });
  const files = pack();
  expect(files).toEqual(expect.arrayContaining(built));
  writeFileSync(join(dist, "left-over.js"), "");
  expect(pack().sort()).toEqual(files.sort());
});

it("passes the package linters, and is small", () => {
  // Throws if a linter finds a fault.
  lintPackage(tarball);
  expect(gzipSize()).toBeLessThan(MAX_GZIP_BYTES);
  expect(JSON.parse(readFileSync(join(installed, "package.json"), "utf8")).dependencies).toBeUndefined();
});

describe.each(["embedded", "redis"])("on the %s store", (store) => {
  beforeEach(async () => {
    if (store === "embedded") {
      url = (await startWorkerd()).url;
      return;
    }
    const redis = await startRedisServer();
    const bridge = await startRedisBridge({ redisUrl: redis.url, token: "a-token", port: 0 });
    onTestFinished(async () => {
      await bridge.close();
      await redis.stop();
    });
    const bindings = { UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: "a-token" };
    url = (await startWorkerd({ bindings })).url;
  });

  it("runs in Node", async () => {
    const script = `import { MemX } from "memx-sdk";
      console.log(JSON.stringify(await (${runScenario})(MemX, ${JSON.stringify(url)}, "node")));`;
    writeFileSync(join(project, "scenario.js"), script);
    const { stdout } = await run(process.execPath, ["scenario.js"], { cwd: project });
    expect(JSON.parse(stdout)).toEqual(SCENARIO_LOG);
  });

  it("runs in a page of a browser", async () => {
    const files = createServer(({ url = "" }, response) => {
      const isModule = url.endsWith(".js");
      response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
      response.end(isModule ? readFileSync(join(installed, "dist", url.slice(1))) : "<!doctype html>");
    }).listen(0, "127.0.0.1");
    await once(files, "listening");
    const address = files.address();
    const origin = `http://127.0.0.1:${typeof address === "object" && address?.port}`;
    const executablePath = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
    const browser = await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-background-networking"],
    });
    onTestFinished(async () => {
      await browser.close();
      files.close();
    });
    const page = await browser.newPage();
    await page.goto(origin);
    const log = await page.evaluate(
      `import("/typescript/index.js").then(({ MemX }) => (${runScenario})(MemX, "${url}", "page"))`,
    );
    expect(log).toEqual(SCENARIO_LOG);
  });

  it("runs in a Worker", async () => {
    const port = await freePort();
    const modules = readdirSync(join(installed, "dist"), { encoding: "utf8", recursive: true }).filter(
      (file) => file.endsWith(".js") && !file.endsWith("cli.js"),
    );
    const worker = `import { MemX } from "./typescript/index.js";
      export default {
        fetch: async ({ url }) =>
          url.endsWith("/")
            ? Response.json(await (${runScenario})(MemX, ${JSON.stringify(url)}, "worker"))
            : new Response(null, { status: 404 }),
      };`;
    writeFileSync(join(installed, "dist/worker.js"), worker);
    const config = `using Workerd = import "/workerd/workerd.capnp";
      const config :Workerd.Config = (
        services = [
          (name = "main", worker = (
            modules = [
              (name = "worker.js", esModule = embed "worker.js"),
              ${modules.map((file) => `(name = "${file}", esModule = embed "${file}"),`).join("\n")}
            ],
            compatibilityDate = "2026-11-01",
          )),
          (name = "internet", network = (allow = ["public", "private", "local"])),
        ],
        sockets = [(name = "http", address = "127.0.0.1:${port}", service = "main")],
      );`;
    writeFileSync(join(installed, "dist/worker.capnp"), config);
    onTestFinished(() => rmSync(join(installed, "dist/worker.js")));
    const require = createRequire(import.meta.url);
    startProcess(require.resolve("workerd/bin/workerd"), ["serve", join(installed, "dist/worker.capnp")]);
    const readStatus = () =>
      fetch(`http://127.0.0.1:${port}/favicon.ico`)
        .then(({ status }) => status)
        .catch(() => undefined);
    await expect.poll(readStatus).toBe(404);
    const response = await fetch(`http://127.0.0.1:${port}`);
    const text = await response.text();
    expect(response.status, text).toBe(200);
    expect(JSON.parse(text)).toEqual(SCENARIO_LOG);
  });
});

describe("as documented", () => {
  beforeEach(async () => {
    url = (await startWorkerd()).url;
  });

  it("runs the ten lines of the README", async () => {
    const readme = readFileSync(join(installed, "README.md"), "utf8");
    const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    expect(code.trim().split("\n").length).toBeLessThanOrEqual(10);
    writeFileSync(join(project, "readme.js"), code);
    const { stdout } = await run(process.execPath, ["readme.js"], {
      cwd: project,
      env: { ...process.env, MEMX_BASE_URL: url },
    });
    expect(stdout).toBe("new goal: { x: 1, y: 7 }\n");
  });

  it("runs the examples of the doc comments", async () => {
    const types = join(installed, "dist/typescript");
    const examples = readdirSync(types)
      .filter((file) => file.endsWith(".d.ts"))
      .flatMap((file) => {
        const comments = readFileSync(join(types, file), "utf8").matchAll(/@example\n([\s\S]*?)\*\//g);
        return Array.from(comments, ([, code = ""]) => code.replaceAll(/^ *\* ?/gm, ""));
      });
    expect(examples.length).toBeGreaterThan(10);
    symlinkSync(join(import.meta.dirname, "../../node_modules/zod"), join(project, "node_modules/zod"));
    for (const [index, example] of examples.entries()) {
      const isWhole = example.includes("new MemX");
      const before = `import { escapeKey, MemX } from "memx-sdk";\n${isWhole ? "" : "const memx = new MemX();\n"}`;
      const file = join(project, `example-${index}.ts`);
      writeFileSync(file, before + example);
      const env = { ...process.env, MEMX_BASE_URL: url, MEMX_API_KEY: "local_dev_key" };
      await expect(run(process.execPath, [file], { cwd: project, env }), example).resolves.toMatchObject({
        stderr: "",
      });
    }
  });

  it("prints lines of JSON on the command line, and has exit codes", async () => {
    const env = { ...process.env, MEMX_BASE_URL: url, MEMX_API_KEY: "local_dev_key" };
    const cli = (...args: string[]) => runCli(args, env);
    expect(await cli("get", "a")).toMatchObject({ code: 3, stdout: "" });

    const watching = spawn("node_modules/.bin/memx-sdk", ["watch", "*", "--limit", "2"], { cwd: project, env });
    const lines: string[] = [];
    createInterface({ input: watching.stdout }).on("line", (line) => lines.push(line));
    const ended = once(watching, "exit");
    // It prints nothing before it is live, so the test writes until it does.
    for (let n = 0; lines.length < 2 && n < 100; n++) await cli("set", "a", `{"n":${n}}`);
    expect(await ended).toEqual([0, null]);
    expect(JSON.parse(lines[0] as string)).toMatchObject({ event: "value", action: "set", key: "a" });

    expect(await cli("set", "a", "[1]", "--expect", "0")).toMatchObject({ code: 4 });
    expect(JSON.parse((await cli("increment", "n", "-2")).stdout)).toMatchObject({ value: -2 });
    expect((await cli("keys", "--values")).stdout.trim().split("\n")).toHaveLength(2);
    expect(JSON.parse((await cli("schema", "set", "n", '{"type":"number"}')).stdout)).toMatchObject({ ok: true });
    expect(await cli("set", "n", '"text"')).toMatchObject({ code: 1 });
    expect(await cli("get", "n", "--key", "unknown_key")).toMatchObject({ code: 1 });
    expect(await cli("set", "n", "{")).toMatchObject({ code: 2 });
    expect(await cli("schema", "set", "n", "true", "--expect", "0")).toMatchObject({ code: 4 });
    expect(await cli("delete", "n")).toMatchObject({ code: 0 });
    expect((await cli("history", "n", "--limit", "1")).stdout).toContain('"action":"delete"');
    expect(await cli("health", "--url", "http://127.0.0.1:9")).toMatchObject({ code: 5 });
  });
});

describe("its command line", () => {
  const cli = (...args: string[]) => runCli(args, process.env);

  it("reports a usage error in one line, with exit code 2", async () => {
    const wrong: [args: string[], message: string][] = [
      [[], "No command. Run memx-sdk --help for the commands."],
      [["gte", "a"], "Unknown command: gte. Run memx-sdk --help for the commands."],
      [["get", "a", "b"], "Usage: memx-sdk get KEY"],
      [["append", "a"], "Usage: memx-sdk append KEY JSON..."],
      [["get", "a", "--tll", "3"], "Unknown option: --tll. Run memx-sdk --help for the options."],
      [["get", "a", "-t"], "Unknown option: -t. Run memx-sdk --help for the options."],
      [["get", "a", "--ttl", "3"], "The command get has no option --ttl. Run memx-sdk get --help."],
      [["get", "a", "--key"], "The option --key needs a value. Run memx-sdk --help for the options."],
      [["get", "a", "--key", "--url"], "The option --key needs a value. Run memx-sdk --help for the options."],
      [["keys", "--values=1"], "The option --values takes no value. Run memx-sdk --help for the options."],
      [["set", "a", "1", "--expect", "-1"], "--expect must be a whole number."],
      [["watch", "*", "--event", "values"], "--event must be value, schema or all."],
      [["set", "a", "{"], `Not valid JSON: {. A string needs its own quotes: '"like this"'.`],
      [["health", "--url", "memx"], "The base URL must be an HTTP or HTTPS URL: memx"],
    ];
    for (const [args, message] of wrong) {
      expect(await cli(...args), args.join(" ")).toEqual({ code: 2, stdout: "", stderr: `${message}\n` });
    }
  });

  it("has help for every command that says what it does", async () => {
    const { code, stdout } = await cli("--help");
    expect(code).toBe(0);
    expect(stdout).toContain("Exit codes");
    const [, list = ""] = /^Commands\n((?: {2}.*\n)+)/m.exec(stdout) ?? [];
    const rows = list.trimEnd().split("\n");
    expect(rows).toHaveLength(14);
    for (const row of rows) {
      const [, usage = "", does = ""] = /^ {2}(\S.*?) {2,}([A-Z].*\.)$/.exec(row) ?? [];
      const words = usage.split(" ").filter((word) => /^[a-z]+$/.test(word));
      const help = await cli(...words, "--help");
      expect(help).toMatchObject({ code: 0, stderr: "" });
      expect(help.stdout).toContain(`Usage: memx-sdk ${usage}\n\n${does}`);
    }
  });
});

function runCli(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> {
  return run("node_modules/.bin/memx-sdk", args, { cwd: project, env })
    .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }))
    .catch(({ code, stdout, stderr }) => ({ code, stdout, stderr }));
}
