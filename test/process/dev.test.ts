// `npm run dev` as people run it: a process that listens, is killed, and is started again.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

type Server = { readonly process: ChildProcess; readonly url: string; readonly output: () => string };

let data: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "memx-data-"));
});

afterEach(async () => {
  for (const { pid } of started.splice(0)) killGroup(pid);
  await rm(data, { recursive: true, maxRetries: 5, retryDelay: 200 });
});

/** The whole group, because wrangler and workerd are processes of their own. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function start(command: string, args: readonly string[]): Promise<Server> {
  const port = await freePort();
  const child = spawn(command, [...args, "--port", String(port), "--persist-to", data], { detached: true });
  started.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  await expect.poll(() => output, { timeout: 40_000, interval: 100 }).toContain("memX is ready on");
  return { process: child, url: `http://127.0.0.1:${port}`, output: () => output };
}

const startDev = () => start(process.execPath, ["scripts/dev.ts"]);

async function call(url: string, init: RequestInit = {}): Promise<unknown> {
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  return (await fetch(url, { ...init, headers })).json();
}

it("prints the address and the key to use, and warns about nothing", async () => {
  const { url, output } = await startDev();
  expect(output()).toContain(`memX is ready on ${url}   API key: local_dev_key`);
  expect(output()).not.toMatch(/warn|deprecat|update available|telemetry/i);
});

it("has a write that was answered right before it was killed", async () => {
  const first = await startDev();
  for (let n = 1; n <= 20; n++) {
    await call(`${first.url}/set`, { method: "POST", body: JSON.stringify({ key: "n", value: n }) });
  }
  killGroup(first.process.pid);
  const second = await startDev();
  expect(await call(`${second.url}/get?key=n`)).toMatchObject({ value: 20, revision: 20 });
});

it("ends when the process that started it was killed", async () => {
  // A shell that stays, as make does, between this test and the server.
  const { process: shell, url } = await start("sh", ["-c", `"$0" "$@"; exit 0`, process.execPath, "scripts/dev.ts"]);
  shell.kill("SIGKILL");
  const answers = () =>
    fetch(`${url}/health`).then(
      () => true,
      () => false,
    );
  await expect.poll(answers, { timeout: 20_000, interval: 200 }).toBe(false);
});
