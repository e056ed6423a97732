// memX as a process of its own, on a free port and with data of its own, ended after the test that started it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";

export type Server = { readonly process: ChildProcess; readonly url: string; readonly output: () => string };

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
export function killGroup(pid: number | undefined): void {
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

export async function start(command: string, args: readonly string[]): Promise<Server> {
  const port = await freePort();
  const child = spawn(command, [...args, "--port", String(port), "--persist-to", data], {
    detached: true,
    // As on a machine that has never seen wrangler.
    env: { ...process.env, XDG_CONFIG_HOME: data },
  });
  started.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  await expect.poll(() => output, { timeout: 40_000, interval: 100 }).toContain("memX is ready on");
  return { process: child, url: `http://127.0.0.1:${port}`, output: () => output };
}

export function startDev(): Promise<Server> {
  return start(process.execPath, ["scripts/dev.ts"]);
}
