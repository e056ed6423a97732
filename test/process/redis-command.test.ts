// `npm run redis` as developers run it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { type RedisServer, startRedisServer } from "../support/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedisServer();
});
afterAll(() => redis?.stop());

type Run = { readonly child: ChildProcess; readonly output: () => string; readonly code: Promise<number | null> };

function run(env: Record<string, string>, args: readonly string[] = []): Run {
  const child = spawn(process.execPath, ["selfhost/redis.ts", ...args], {
    env: {
      ...process.env,
      REDIS_URL: redis.url,
      REDIS_BRIDGE_PORT: "",
      REDIS_BRIDGE_HOST: "",
      UPSTASH_REDIS_REST_TOKEN: "",
      ...env,
    },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  return { child, output: () => output, code: once(child, "close").then(([code]) => code) };
}

async function start(env: Record<string, string>, args: readonly string[] = []): Promise<Run> {
  const started = run(env, args);
  await expect.poll(started.output).toContain("UPSTASH_REDIS_REST_TOKEN=");
  return started;
}

async function ping(url: string, token: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(url, { method: "POST", headers, body: '["PING"]' })).json();
}

it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
  "prints the settings for memX, and exits cleanly on %s",
  async (signal) => {
    const port = await freePort();
    const { child, output, code } = await start({ REDIS_BRIDGE_PORT: String(port) });
    const [, url = ""] = /^UPSTASH_REDIS_REST_URL=(.+)$/m.exec(output()) ?? [];
    const [, token = ""] = /^UPSTASH_REDIS_REST_TOKEN=(.+)$/m.exec(output()) ?? [];
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(Buffer.from(token, "base64url").length).toBeGreaterThanOrEqual(16);
    // fetch keeps its connection open, which must not delay the exit.
    expect(await ping(url, token)).toEqual({ result: "PONG" });
    child.kill(signal);
    expect(await code).toBe(0);
  },
);

it("creates a new token at each start", async () => {
  const tokens = new Set<string | undefined>();
  for (let n = 0; n < 2; n++) {
    const { output } = await start({ REDIS_BRIDGE_PORT: String(await freePort()) });
    tokens.add(/^UPSTASH_REDIS_REST_TOKEN=(.+)$/m.exec(output())?.[1]);
  }
  expect(tokens.size).toBe(2);
});

it("accepts a token without printing it, and prefers options to the environment", async () => {
  const port = await freePort();
  const env = { REDIS_BRIDGE_PORT: "1", UPSTASH_REDIS_REST_TOKEN: "s3cret-token" };
  const { output } = await start(env, ["--port", String(port), "--host", "localhost"]);
  expect(output()).toContain(`UPSTASH_REDIS_REST_URL=http://localhost:${port}`);
  expect(output()).not.toContain("s3cret");
  expect(await ping(`http://localhost:${port}`, "s3cret-token")).toEqual({ result: "PONG" });
});

it("ignores HOST and PORT, which shells set for other purposes", async () => {
  const port = await freePort();
  const { output } = await start({ REDIS_BRIDGE_PORT: String(port), HOST: "0.0.0.0", PORT: "1" });
  expect(output()).toContain(`UPSTASH_REDIS_REST_URL=http://127.0.0.1:${port}\n`);
  expect(output()).not.toContain("plain HTTP");
});

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);

const everywhere: [string, string][] = [["0.0.0.0", "127.0.0.1"]];
if (hasIPv6) everywhere.push(["::", "[::1]"]);

it.each(everywhere)(
  "warns that %s is open to the network, and prints an address that clients can call",
  async (host, shown) => {
    const port = await freePort();
    const { output } = await start({ REDIS_BRIDGE_PORT: String(port), REDIS_BRIDGE_HOST: host });
    const [, url = ""] = /^UPSTASH_REDIS_REST_URL=(.+)$/m.exec(output()) ?? [];
    const [, token = ""] = /^UPSTASH_REDIS_REST_TOKEN=(.+)$/m.exec(output()) ?? [];
    expect(url).toBe(`http://${shown}:${port}`);
    expect(await ping(url, token)).toEqual({ result: "PONG" });
    expect(output().match(/^.*plain HTTP.*$/gm)).toHaveLength(1);
  },
);

it("says how to start Redis if there is none, without the password", async () => {
  const port = await freePort();
  const { code, output } = run({
    REDIS_URL: `redis://me:s3cret@127.0.0.1:${port}`,
    REDIS_BRIDGE_PORT: String(await freePort()),
  });
  expect(await code).toBe(1);
  expect(output()).toBe(
    `No Redis responds at redis://127.0.0.1:${port}. Start one with redis-server ` +
      "(Debian: apt-get install redis-server), or set REDIS_URL.\n",
  );
});

it("says that its port is in use", async () => {
  const { code, output } = run({ REDIS_BRIDGE_PORT: String(redis.port) });
  expect(await code).toBe(1);
  expect(output()).toBe(
    `Port ${redis.port} on 127.0.0.1 is in use. Stop the program that listens there, or choose another port.\n`,
  );
});

it("names an unknown option", async () => {
  const { code, output } = run({}, ["--prot", "1"]);
  expect(await code).toBe(1);
  expect(output()).toMatch(/^Unknown option '--prot'.*\n$/);
});
