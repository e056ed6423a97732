// The SDK as users get it: packed, installed into an empty project, and run in Node, in a browser and in a Worker,
// against memX on both stores.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { gzipSize, lintPackage } from "../../scripts/pack-sdk.ts";
import { startRedisBridge } from "../../selfhost/redis-bridge.ts";
import { freePort } from "../support/free-port.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { startProcess } from "./support/dev-server.ts";
import { type InstalledSdk, installSdk, nodes, run } from "./support/installed-sdk.ts";
import { runScenario, SCENARIO_LOG } from "./support/sdk-scenario.ts";
import { startWorkerd } from "./support/workerd.ts";

/** Of the client with everything: its feed, leases, mirrors, and calls over a socket. */
const MAX_GZIP_BYTES = 20 * 1024;

let sdk: InstalledSdk;
let project: string;
let installed: string;
let tarball: string;
let url: string;

beforeAll(() => {
  sdk = installSdk();
  ({ project, tarball, folder: installed } = sdk);
});

afterAll(() => sdk.remove());

it("is built by `npm pack`, without files of an earlier build", () => {
  // In a copy, because other tests use the real one.
  const copy = mkdtempSync(join(tmpdir(), "memx-sdk-"));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  const root = join(import.meta.dirname, "../..");
  const isSource = (path: string) => basename(path) !== "node_modules" && basename(path) !== ".venv";
  for (const path of ["sdk", "tsconfig.json"]) {
    cpSync(join(root, path), join(copy, path), { recursive: true, filter: isSource });
  }
  for (const path of ["node_modules", "sdk/typescript/node_modules"]) symlinkSync(join(root, path), join(copy, path));
  const source = join(copy, "sdk/typescript");
  const dist = join(source, "dist");
  const pack = () => {
    const name = execFileSync("npm", ["pack", "--silent", "--pack-destination", copy], {
      cwd: source,
      encoding: "utf8",
    });
    return execFileSync("tar", ["-tzf", join(copy, name.trim())], { encoding: "utf8" })
      .trim()
      .split("\n");
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
  // The frameworks of the adapters are optional, and not installed with the package.
  expect(readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["memx-sdk"]);
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

  it.each(nodes())("runs in $name", async ({ path, flags }) => {
    const script = `import { MemX } from "memx-sdk";
      console.log(JSON.stringify(await (${runScenario})(MemX, ${JSON.stringify(url)}, "node")));`;
    writeFileSync(join(project, "scenario.js"), script);
    const { stdout, stderr } = await run(path, [...flags, "scenario.js"], { cwd: project });
    expect(stderr).toBe("");
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
      (file) => file.endsWith(".js") && !/adapters\/|cli[^/]*\.js$/.test(file),
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
      expect(await run(process.execPath, [file], { cwd: project, env }), example).toMatchObject({
        code: 0,
        stderr: "",
      });
    }
  });
});
