// `npm run dev` as developers run it: the process starts, is killed, and starts again.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, it, onTestFinished, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { startRedisServer } from "../support/redis-server.ts";
import { dataFolder, killGroup, start, startDev, startProcess } from "./support/dev-server.ts";
import { command } from "./support/redis-command.ts";

async function call(url: string, init: RequestInit = {}): Promise<unknown> {
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  return (await fetch(url, { ...init, headers })).json();
}

it("prints the address and the API key, and no warnings", async () => {
  const { url, output } = await startDev();
  expect(output()).toContain(`memX is ready on ${url}   API key: local_dev_key`);
  expect(output()).not.toMatch(/warn|deprecat|update available|telemetry/i);
});

it("keeps a write that it acknowledged right before it was killed", async () => {
  const first = await startDev();
  let written: unknown;
  for (let n = 1; n <= 20; n++) {
    written = await call(`${first.url}/set`, { method: "POST", body: JSON.stringify({ key: "n", value: n }) });
  }
  killGroup(first.process.pid);
  const second = await startDev();
  expect(await call(`${second.url}/get?key=n`)).toMatchObject({
    value: 20,
    revision: (written as { revision: number }).revision,
  });
});

it("listens on MEMX_HOST and MEMX_PORT, unless its arguments say otherwise", async () => {
  const port = String(await freePort());
  const env = { ...process.env, MEMX_HOST: "127.0.0.1", MEMX_PORT: port, HOST: "192.0.2.1", PORT: "1" };
  const folder = ["--persist-to", dataFolder()];
  const child = startProcess(process.execPath, ["scripts/dev.ts", ...folder], env);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  await expect
    .poll(() => output, { timeout: LONG_PATIENCE_MS })
    .toContain(`memX is ready on http://127.0.0.1:${port} `);
  const taken = spawnSync(process.execPath, ["scripts/dev.ts"], { encoding: "utf8", env });
  expect(taken).toMatchObject({ status: 1, stderr: expect.stringContaining("choose another port") });
  const args = ["scripts/dev.ts", "--port", port];
  const argument = spawnSync(process.execPath, args, { encoding: "utf8", env: { ...env, MEMX_PORT: "1" } });
  expect(argument).toMatchObject({ status: 1, stderr: expect.stringContaining("choose another port") });
});

it("exits when its parent process is killed", async () => {
  // A shell that stays between this test and the server, as make does.
  const { process: shell, url } = await start("sh", ["-c", `"$0" "$@"; exit 0`, process.execPath, "scripts/dev.ts"]);
  shell.kill("SIGKILL");
  const responds = () =>
    fetch(`${url}/health`).then(
      () => true,
      () => false,
    );
  await expect.poll(responds, { interval: 200 }).toBe(false);
});

it("says what to do if another server uses its port, and does not claim to be ready", async () => {
  const { url } = await startDev();
  const second = spawnSync(process.execPath, ["scripts/dev.ts", "--port", new URL(url).port], { encoding: "utf8" });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain("choose another port");
  expect(second.stdout).not.toContain("ready");
});

it.runIf(existsSync("/proc"))(
  "stores in the Redis at REDIS_URL with --redis, and shows the token of its bridge to no other user",
  async () => {
    const redis = await startRedisServer();
    onTestFinished(() => redis.stop());
    vi.stubEnv("REDIS_URL", redis.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    const { url, output, process: dev } = await start(process.execPath, ["scripts/dev.ts", "--redis"]);
    expect(output()).toContain("Its store is the Redis at");
    await call(`${url}/set`, { method: "POST", body: JSON.stringify({ key: "a", value: 1 }) });
    expect(await command(redis.url, "HGET", "{memx:}:entry:a", "value")).toBe("1");
    const shown = commandLines(dev.pid as number);
    expect(shown.length).toBeGreaterThan(2);
    expect(shown.filter((line) => /TOKEN|UPSTASH/.test(line))).toEqual([]);
  },
);

/** What `ps` shows any user of the processes of a group. */
function commandLines(group: number): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const inGroup = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[2] === String(group);
        return inGroup ? [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")] : [];
      } catch {
        // The process has ended.
        return [];
      }
    });
}
