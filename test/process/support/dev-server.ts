// Runs memX as a separate process, on a free port and with its own data, and stops it after the test.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { freePort } from "../../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../../support/patience.ts";

export type Server = { readonly process: ChildProcess; readonly url: string; readonly output: () => string };

/** STORE_TIMEOUT_MS for tests that are not about slowness: on a busy machine the store may take seconds to reply. */
export const PATIENT_MS = "30000";

let data: string;
const started: ChildProcess[] = [];

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "memx-data-"));
});

afterEach(async () => {
  for (const { pid } of started.splice(0)) killGroup(pid);
  await rm(data, { recursive: true, maxRetries: 5, retryDelay: 200 });
});

/** Kills the whole group, because wrangler and workerd are separate processes. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The process has exited already.
  }
}

/** A folder for this test, deleted after it. */
export function dataFolder(): string {
  return data;
}

/** Starts a process in its own group, and kills the group after the test. */
export function startProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
  cwd = ".",
): ChildProcess {
  // As on a machine where wrangler never ran.
  const child = spawn(command, args, { cwd, detached: true, env: { ...env, XDG_CONFIG_HOME: data } });
  started.push(child);
  return child;
}

export async function start(command: string, args: readonly string[]): Promise<Server> {
  const port = await freePort();
  // Replaces a local .dev.vars.
  const settings = join(data, "settings");
  await writeFile(settings, `STORE_TIMEOUT_MS=${PATIENT_MS}\n`);
  const options = ["--port", String(port), "--persist-to", data, "--env-file", settings];
  const child = startProcess(command, [...args, ...options]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  await expect.poll(() => output, { timeout: LONG_PATIENCE_MS }).toContain("memX is ready on");
  return { process: child, url: `http://127.0.0.1:${port}`, output: () => output };
}

export function startDev(): Promise<Server> {
  return start(process.execPath, ["scripts/dev.ts"]);
}
