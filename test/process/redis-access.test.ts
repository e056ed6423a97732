// A Redis that wants a user with few rights, or TLS.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, onTestFinished } from "vitest";
import { MemX, type ValueEvent } from "../../sdk/typescript/index.ts";
import { freePort } from "../support/free-port.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { dataFolder } from "./support/dev-server.ts";
import { type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

const apiKey = "local_dev_key";
const MEMX_ACL = JSON.stringify({ [apiKey]: ["*"] });

const hosts: SelfHosted[] = [];
const clients: MemX[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const host of hosts.splice(0)) await host.close();
});

/** Two memX on the Redis: one writes, and a subscriber of the other hears it at once. */
async function expectToServe(env: Readonly<Record<string, string>>): Promise<void> {
  const connect = async () => {
    const host = await startSelfHosted("redis", { MEMX_ACL, RATE_LIMIT: "0", ...env });
    hosts.push(host);
    const memx = new MemX({ apiKey, baseUrl: host.url, timeoutMs: 30_000 });
    clients.push(memx);
    return memx;
  };
  const [here, there] = [await connect(), await connect()];
  const events: ValueEvent[] = [];
  await there.watch("*", (event) => events.push(event)).ready;
  const id = { idempotencyKey: "once" };
  const { revision } = await here.set("a", 1, { ...id, ttl: 600 });
  expect((await here.set("a", 1, { ...id, ttl: 600 })).revision).toBe(revision);
  await here.setSchema("a", { type: "number" });
  await here.delete("a");
  await expect.poll(() => events.map(({ action }) => action)).toEqual(["set", "delete"]);
  for (const { output } of hosts) expect(output()).not.toContain("hunter2");
}

it("serves as a user of Redis who may do only what docs/storage.md lists", async () => {
  const page = readFileSync("docs/storage.md", "utf8");
  const [, forScripts = "", forProcesses = ""] =
    /`(GET MGET[^`]*)`.*?also\s+need ([^;]*?),? and the channels/s.exec(page) ?? [];
  const listed = `${forScripts} ${forProcesses} SETRANGE INFO`.match(/[A-Z]+/g) ?? [];
  expect(listed.length).toBeGreaterThan(30);
  const rights = listed.map((command) => `+${command}`);
  const user = [
    "--user",
    "memx",
    "on",
    ">hunter2",
    "~{memx:*",
    "~memx:*",
    "resetchannels",
    "&{memx:*",
    "-@all",
    ...rights,
  ];
  const redis = await startRedisServer({ args: user });
  onTestFinished(() => redis.stop());
  await expectToServe({ REDIS_URL: `redis://memx:hunter2@127.0.0.1:${redis.port}` });
});

it("reaches Redis over TLS, and only one whose certificate it trusts", async () => {
  const [key, certificate] = [join(dataFolder(), "redis.key"), join(dataFolder(), "redis.crt")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", [...request, ...names, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const port = await freePort();
  const args = ["--tls-port", String(port), "--tls-cert-file", certificate, "--tls-key-file", key];
  const redis = await startRedisServer({ args: [...args, "--tls-auth-clients", "no", "--requirepass", "hunter2"] });
  onTestFinished(() => redis.stop());
  const REDIS_URL = `rediss://:hunter2@127.0.0.1:${port}`;
  await expectToServe({ REDIS_URL, NODE_EXTRA_CA_CERTS: certificate });
  await expect(startSelfHosted("redis", { MEMX_ACL, REDIS_URL })).rejects.toThrow(`rediss://127.0.0.1:${port}`);
});
