// A data folder and a Redis of an earlier memX, and of a later one. The files in stores/ were written by the code of 9b9612f,
// which is version 0.1.0, through `npm start`: the calls below, by the agent "an agent".
//
//   set doc {"x":1.0,"big":9007199254740993} · schema doc {"type":"object"} · set doc {"x":2} · set ä😀 null
//   set deleted 1 · delete deleted · set expired 1 for a second · schema "only a schema" true · set repeated "first"
//   and with b-key, in another namespace: set doc {"x":3}

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient, RESP_TYPES } from "redis";
import { expect, it, onTestFinished } from "vitest";
import { EMBEDDED_VERSION, REDIS_VERSION } from "../../config/store-versions.ts";
import { freePort } from "../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { dataFolder, PATIENT_MS, startProcess } from "./support/dev-server.ts";

const STORES = resolve("test/process/stores");
const MEMX_ACL = '{"a-key":["*"],"b-key":{"read":["*"],"write":["*"],"user_id":"12345678"}}';

type Store = { readonly settings: Readonly<Record<string, string>>; readonly digest: () => Promise<string> };

/** The store that version 0.1.0 wrote, for this test. */
const OPEN = {
  embedded: async (): Promise<Store> => {
    const folder = join(dataFolder(), "data");
    mkdirSync(folder);
    execFileSync("tar", ["-xzf", join(STORES, "data-0.1.0.tar.gz"), "-C", folder]);
    return { settings: {}, digest: async () => digestOf(folder) };
  },
  redis: async (): Promise<Store> => {
    cpSync(join(STORES, "redis-0.1.0.rdb"), join(dataFolder(), "dump.rdb"));
    const server = await startRedisServer({ args: ["--dir", dataFolder()] });
    onTestFinished(() => server.stop());
    return { settings: { REDIS_URL: server.url }, digest: () => digestOfRedis(server.url) };
  },
};

/** Of all files and their times. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const path of globSync("**", { cwd: folder }).sort()) {
    const stats = statSync(join(folder, path));
    if (stats.isFile()) hash.update(`${path} ${stats.mtimeMs} `).update(readFileSync(join(folder, path)));
  }
  return hash.digest("hex");
}

async function digestOfRedis(url: string): Promise<string> {
  const client = createClient({ url });
  await client.connect();
  const hash = createHash("sha256");
  for (const key of (await client.keys("*")).sort()) {
    hash.update(key).update((await client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).dump(key)) ?? "");
  }
  client.destroy();
  return hash.digest("hex");
}

async function run(settings: Readonly<Record<string, string>>) {
  const port = String(await freePort());
  const env = { PATH: process.env.PATH, STORE_TIMEOUT_MS: PATIENT_MS, MEMX_ACL, MEMX_PORT: port, ...settings };
  const child = startProcess(process.execPath, [resolve("selfhost/start.ts")], env, dataFolder());
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  return {
    child,
    code: once(child, "close").then(([code]) => code),
    output: () => output,
    call: async (path: string, { body, apiKey = "a-key" }: { body?: object; apiKey?: string } = {}) => {
      const headers = { "x-api-key": apiKey, "content-type": "application/json" };
      const request = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, request);
      return { status: response.status, text: await response.text() };
    },
  };
}

async function start(settings: Readonly<Record<string, string>>) {
  const memx = await run(settings);
  await expect.poll(memx.output, { timeout: LONG_PATIENCE_MS }).toContain("memX is ready on ");
  return memx;
}

it.each(["embedded", "redis"] as const)(
  "opens what version 0.1.0 wrote on the %s store, and goes on",
  async (engine) => {
    const { settings } = await OPEN[engine]();
    for (const round of [1, 2]) {
      const { call, child, code } = await start(settings);
      const json = async (path: string, apiKey = "a-key") => JSON.parse((await call(path, { apiKey })).text);
      const doc = await json("/get?key=doc");
      const values = (await json("/keys?values=true")).keys.map(({ key, value, by }: never) => [key, value, by]);
      expect(values).toEqual([
        ["doc", { x: round + 1 }, round === 1 ? "an agent" : undefined],
        ["repeated", "first", "an agent"],
        ["ä😀", null, "an agent"],
      ]);
      expect((await json("/get?key=doc", "b-key")).value).toEqual({ x: 3 });
      expect(await json("/get?key=deleted")).toBeNull();
      expect(await json("/schema?key=doc")).toMatchObject({ schema: { type: "object" } });
      expect(await json("/schema?key=only+a+schema")).toMatchObject({ schema: true });
      const history = (await call("/history?key=doc")).text;
      expect(history).toContain('{"x":1.0,"big":9007199254740993}');
      expect(JSON.parse(history).changes).toHaveLength(round + 2);
      if (round === 1) {
        expect((await call("/set", { body: { key: "doc", value: "no object" } })).status).toBe(400);
        expect((await call("/set", { body: { key: "doc", value: { x: 3 }, expect: doc.revision - 1 } })).status).toBe(
          409,
        );
        const written = await call("/set", { body: { key: "doc", value: { x: 3 }, expect: doc.revision } });
        expect(JSON.parse(written.text).revision).toBeGreaterThan(doc.revision);
      }
      child.kill("SIGTERM");
      expect(await code).toBe(0);
    }
  },
);

it("refuses a data folder of a newer memX, and leaves it as it is", async () => {
  const { settings, digest } = await OPEN.embedded();
  const folder = join(dataFolder(), "data");
  const first = await start(settings);
  first.child.kill("SIGTERM");
  await first.code;
  const lock = new DatabaseSync(join(folder, "lock.sqlite"));
  expect(lock.prepare("PRAGMA user_version").get()).toEqual({ user_version: EMBEDDED_VERSION });
  lock.exec(`PRAGMA user_version = ${EMBEDDED_VERSION + 1}`);
  lock.close();
  const before = await digest();
  const refused = await run(settings);
  expect(await refused.code).toBe(1);
  expect(refused.output()).toBe(
    `A newer memX has written the data in ${folder} (version ${EMBEDDED_VERSION + 1}; this memX reads up to ${EMBEDDED_VERSION}). ` +
      "Run that version again, or set MEMX_DATA_DIR to another folder.\n",
  );
  expect(await digest()).toBe(before);
});

it("refuses a Redis that a newer memX has written, and leaves it as it is", async () => {
  const { settings, digest } = await OPEN.redis();
  const client = createClient({ url: settings.REDIS_URL as string });
  await client.connect();
  await client.set("{memx:health}:version", String(REDIS_VERSION + 1));
  const before = await digest();
  const refused = await run(settings);
  expect(await refused.code).toBe(1);
  expect(refused.output()).toContain("A newer memX has written this store, and this one cannot read it.");
  expect(await digest()).toBe(before);

  // Of the version that this memX knows.
  await client.set("{memx:health}:version", String(REDIS_VERSION));
  client.destroy();
  await start(settings);
});
