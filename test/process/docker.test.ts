// The image and docker-compose.yml, without a Docker engine: the test follows the Dockerfile step by step, as an
// ordinary user, and compares the files with each other.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
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
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true }));

/** The options to run as the image's user, if this process is root. */
function asUser() {
  if (process.getuid?.() !== 0) return {};
  const id = (kind: string) => Number(execFileSync("id", [kind, USER], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

describe("the image", () => {
  it("runs as an ordinary user, reports its health, keeps its data in the volume, and stops on SIGTERM", async () => {
    expect(image.user).toBe("node");
    const [command, ...args] = image.command as [string, ...string[]];
    // As with `docker run -e`. Tests listen only on the loopback.
    const settings = {
      PORT: String(await freePort()),
      HOST: "127.0.0.1",
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

    const response = await fetch(`http://127.0.0.1:${settings.PORT}/set`, {
      method: "POST",
      headers: { "x-api-key": "a-key", "content-type": "application/json" },
      body: '{"key":"a","value":1}',
    });
    expect(response.status).toBe(200);
    const css = await fetch(`http://127.0.0.1:${settings.PORT}/docs/swagger-ui.css`);
    expect(css.headers.get("content-type")).toBe("text/css; charset=utf-8");
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

  it("contains only the server, its configuration, the bundle, their dependencies and package.json", () => {
    const folder = image.at(image.workdir);
    const files = globSync("**/*", { cwd: folder, exclude: ["node_modules"], withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
    const modules = [...read("config/workerd.capnp").matchAll(/embed "\.\.\/(dist\/[^"]+)"/g)].map(([, file]) => file);
    // Wrangler writes the README next to the modules.
    const bundle = [...modules, "dist/README.md"];
    expect(files.sort()).toEqual(["package.json", ...globSync("{config,selfhost}/*"), ...bundle].sort());
  });

  it("starts what npm start starts", () => {
    const { scripts } = JSON.parse(read("package.json"));
    expect(image.command.join(" ")).toBe(scripts.start);
    expect(read("Makefile")).toContain("selfhost/start.ts");
    expect(scripts.prestart).toBe("npm run build");
    expect(read("Dockerfile")).toContain("RUN npm run build ");
  });
});

describe("docker-compose.yml", () => {
  const { memx, redis } = compose.services;

  it("publishes the image's port only on this machine by default", () => {
    expect(image.ports).toEqual([image.env.PORT]);
    expect(memx.ports).toEqual([`\${HOST:-127.0.0.1}:\${PORT:-8000}:${image.env.PORT}`]);
    expect(redis.ports).toBeUndefined();
  });

  it("keeps the data of the image and of Redis in separate volumes", () => {
    expect(memx.volumes).toEqual([`memx:${image.volumes[0]}`]);
    expect(redis.volumes).toEqual(["redis:/data"]);
    expect(Object.keys(compose.volumes)).toEqual(["memx", "redis"]);
  });

  it("has a Redis that is as durable as memX needs, and waits until it responds", () => {
    expect(redis.command.join(" ")).toContain("--appendonly yes --appendfsync always --maxmemory-policy noeviction");
    expect(redis.healthcheck.test).toEqual(["CMD", "redis-cli", "ping"]);
    expect(memx.depends_on.redis.condition).toBe("service_healthy");
    expect(memx.environment.REDIS_URL).toBe("redis://redis:6379/0");
  });

  it("passes on every setting of memX except those of another Redis", () => {
    const { REDIS_URL, ...handedOn } = memx.environment;
    const bound = [...read("config/workerd.capnp").matchAll(/fromEnvironment = "(\w+)"/g)].map(([, name]) => name);
    expect(Object.keys(handedOn).sort()).toEqual(bound.filter((name) => !name?.startsWith("UPSTASH_")).sort());
    expect(Object.values(handedOn).every((value) => value === null)).toBe(true);
  });
});

it("docs/deploy.md names every setting and every command that starts memX", () => {
  const settings = [...read("selfhost/start.ts").matchAll(/\b(?:env\.)?(HOST|PORT|MEMX_[A-Z_]+|REDIS_URL)\b/g)].map(
    ([, name]) => name as string,
  );
  expect([...new Set(settings)].sort()).toEqual(["HOST", "MEMX_ACL", "MEMX_DATA_DIR", "PORT", "REDIS_URL"]);
  const page = read("docs/deploy.md");
  for (const name of settings) expect(page).toContain(`\`${name}\``);
  for (const command of ["npm start", "make serve", "docker compose up"]) expect(page).toContain(command);
});
