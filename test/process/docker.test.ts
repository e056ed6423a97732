// The image and docker-compose.yml, without a Docker engine: the test follows the Dockerfile step by step, as an
// ordinary user, and compares the files with each other.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { packServer } from "../../scripts/pack-server.ts";
import { freePort } from "../support/free-port.ts";
import { PATIENT_MS } from "./support/dev-server.ts";
import { buildImage, type Image, openToAll, USER } from "./support/image.ts";

const read = (file: string) => readFileSync(file, "utf8");
const compose = parse(read("docker-compose.yml"));

let folder: string;
let image: Image;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "memx-image-"));
  image = buildImage("Dockerfile", ".", folder);
  openToAll(folder);
}, 900_000);

afterAll(() => rmSync(folder, { recursive: true }));

/** The options to run as the image's user, if this process is root. */
function asUser() {
  if (process.getuid?.() !== 0) return {};
  const id = (kind: string) => Number(execFileSync("id", [kind, USER], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

describe("the image", { tags: ["long"] }, () => {
  it("runs as an ordinary user, reports its health, keeps its data in the volume, and stops on SIGTERM", async () => {
    expect(image.user).toBe("node");
    const [command, ...args] = image.command as [string, ...string[]];
    // As with `docker run -e`. Tests listen only on the loopback.
    const settings = {
      MEMX_PORT: String(await freePort()),
      MEMX_HOST: "127.0.0.1",
      MEMX_ACL: '{"a-key":["*"]}',
      STORE_TIMEOUT_MS: PATIENT_MS,
    };
    const options = { cwd: image.at(image.workdir), env: { ...image.env, ...settings }, ...asUser() };
    const isHealthy = () => {
      const [check, ...rest] = image.healthcheck as [string, ...string[]];
      return spawnSync(check, rest, options).status === 0;
    };
    expect(isHealthy()).toBe(false);

    const child: ChildProcess = spawn(command, args, options);
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
    await expect.poll(() => output).toContain("memX is ready on ");
    expect(isHealthy()).toBe(true);

    const response = await fetch(`http://127.0.0.1:${settings.MEMX_PORT}/set`, {
      method: "POST",
      headers: { "x-api-key": "a-key", "content-type": "application/json" },
      body: '{"key":"a","value":1}',
    });
    expect(response.status).toBe(200);
    const css = await fetch(`http://127.0.0.1:${settings.MEMX_PORT}/docs/swagger-ui.css`);
    expect(css.headers.get("content-type")).toBe("text/css; charset=utf-8");
    const page = await fetch(`http://127.0.0.1:${settings.MEMX_PORT}/`, { headers: { accept: "text/html" } });
    const [, script] = /src="(\/dashboard\/[^"]+)"/.exec(await page.text()) ?? [];
    expect((await fetch(`http://127.0.0.1:${settings.MEMX_PORT}${script}`)).status).toBe(200);
    expect(image.volumes).toEqual(["/data"]);
    expect(existsSync(join(image.at("/data"), "store"))).toBe(true);

    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(isHealthy()).toBe(false);
  });

  it("has no dependency that only builds and tests need", () => {
    for (const name of ["wrangler", "vitest", "esbuild", "typescript", "node"]) {
      expect(existsSync(image.at(`/app/node_modules/${name}`)), name).toBe(false);
    }
  });

  it("contains only the package memx-server and its dependencies", () => {
    const folder = image.at(image.workdir);
    expect(readdirSync(folder)).toEqual(["node_modules"]);
    const memx = join(folder, "node_modules/memx-server");
    const files = globSync("**/*", { cwd: memx, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(memx, join(entry.parentPath, entry.name)));
    // The tests' own; those of the image are in a folder that it does not keep.
    const tarball = packServer(folder);
    const packed = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).trim().split("\n");
    rmSync(tarball);
    const plain = (path: string) => path.replace(/^package\//, "").replace(/-[\w-]{8}\.(js|css|svg)$/, ".$1");
    expect(files.map(plain).sort()).toEqual(packed.map(plain).sort());
  });

  it("has of every dependency the version of the lock file", () => {
    const { packages } = JSON.parse(read("package-lock.json"));
    const installed = JSON.parse(read(image.at(`${image.workdir}/node_modules/.package-lock.json`))).packages;
    const names = Object.keys(installed).filter((name) => name !== "node_modules/memx-server");
    expect(names).toEqual(expect.arrayContaining(["node_modules/redis", "node_modules/workerd"]));
    for (const name of names) expect(installed[name].version, name).toBe(packages[name].version);
    for (const name of names) expect(installed[name].integrity, name).toBe(packages[name].integrity);
  });

  it("starts what npx memx-server starts", () => {
    const { bin } = JSON.parse(read(image.at(`${image.workdir}/node_modules/memx-server/package.json`)));
    expect(image.command).toEqual(["node", `node_modules/memx-server/${bin["memx-server"]}`]);
    const { scripts } = JSON.parse(read("package.json"));
    expect(scripts.start).toBe("node selfhost/start.ts");
    expect(read("Makefile")).toContain("selfhost/start.ts");
    expect(scripts.prestart).toBe("npm run build");
  });
});

describe("docker-compose.yml", { tags: ["long"] }, () => {
  const { memx, redis } = compose.services;

  it("publishes the image's port only on this machine by default", () => {
    // What `npm start` listens on without a setting.
    expect(image.ports).toEqual(["8000"]);
    expect([image.env.MEMX_PORT, image.env.PORT]).toEqual([undefined, undefined]);
    expect(memx.ports).toEqual([`\${MEMX_HOST:-127.0.0.1}:\${MEMX_PORT:-8000}:8000`]);
    expect(redis.ports).toBeUndefined();
  });

  it("keeps the data of the image and of Redis in separate volumes", () => {
    expect(memx.volumes).toEqual([`memx:${image.volumes[0]}`]);
    expect(redis.volumes).toEqual(["redis:/data"]);
    expect(Object.keys(compose.volumes)).toEqual(["memx", "redis"]);
  });

  it("has a Redis that is as durable as memX needs, with a password that no list of processes shows", async () => {
    expect(redis.command.join(" ")).toContain("--appendonly yes --appendfsync always --maxmemory-policy noeviction");
    expect(memx.depends_on.redis.condition).toBe("service_healthy");
    const password = "7d0f5f7a";
    /** As Compose does, for the one variable that the file needs. */
    const filled = (text: string) => text.replace(/\$\{REDIS_PASSWORD(:\?[^}]*)?\}/g, password);
    const { target, source } = redis.configs[0];
    expect(compose.configs[source].content).toMatch(/\$\{REDIS_PASSWORD:\?/);

    const folder = mkdtempSync(join(tmpdir(), "memx-redis-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "password.conf");
    writeFileSync(file, filled(compose.configs[source].content));
    const port = String(await freePort());
    const [command, ...args] = redis.command.map((arg: string) => (arg === target ? file : arg));
    expect([command, ...args].join(" ")).not.toContain(password);
    const server = spawn(command, [...args, "--port", port, "--bind", "127.0.0.1", "--dir", folder], {
      stdio: "ignore",
    });
    onTestFinished(() => void server.kill("SIGKILL"));
    const check = (env: object) => {
      const [, program, ...args] = redis.healthcheck.test as [string, string, ...string[]];
      return spawnSync(program, ["-p", port, ...args], { env: { PATH: process.env.PATH, ...env } }).status;
    };
    const auth = { REDISCLI_AUTH: filled(redis.environment.REDISCLI_AUTH) };
    await expect.poll(() => check(auth)).toBe(0);
    expect(check({})).not.toBe(0);

    const client = createClient({ url: filled(memx.environment.REDIS_URL).replace("redis:6379", `127.0.0.1:${port}`) });
    await client.connect();
    expect(await client.configGet("append*")).toMatchObject({ appendonly: "yes", appendfsync: "always" });
    client.destroy();
    const stranger = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
    stranger.on("error", () => undefined);
    await stranger.connect().catch(() => undefined);
    await expect(stranger.get("a")).rejects.toThrow(/NOAUTH|closed/);
    stranger.destroy();
  });
});
