// Runs memX as in production on your own machine: the bundle on workerd, with config/workerd.capnp. Without
// selfhost/start.ts, which has its own tests.

import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import developmentList from "../../../config/acl.json" with { type: "json" };
import { WORKERD, workerdArguments } from "../../../selfhost/workerd.ts";
import { freePort } from "../../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../../support/patience.ts";
import { dataFolder, PATIENT_MS, startProcess } from "./dev-server.ts";

export type Workerd = {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** Its output, including the Worker's log. */
  readonly output: () => string;
};

let disks = 0;

/** Creates a folder for the data of `startWorkerd`, deleted after the test. */
export function newDisk(): string {
  const disk = join(dataFolder(), `disk-${++disks}`);
  mkdirSync(disk);
  return disk;
}

/**
 * Resolves when memX responds, and ends it after the test. memX gets `bindings` for its settings, and none of the
 * environment. By default it knows the API keys of development, waits long for a slow store, and limits no calls.
 */
export async function startWorkerd({
  bindings = {},
  disk = newDisk(),
  run = [],
  config,
  options = [],
}: {
  bindings?: Readonly<Record<string, string>>;
  disk?: string;
  /** A command that runs workerd, with its arguments. By default workerd runs by itself. */
  run?: readonly string[];
  /** The path of workerd's configuration. By default it is that of memX. */
  config?: string;
  /** More arguments for workerd. */
  options?: readonly string[];
} = {}): Promise<Workerd> {
  const port = await freePort();
  const args = workerdArguments({ address: `127.0.0.1:${port}`, dataFolder: disk, ...(config && { config }) });
  const [command, ...rest] = [...run, WORKERD, ...args, ...options] as [string, ...string[]];
  const child = startProcess(command, rest, {
    MEMX_ACL: JSON.stringify(developmentList),
    STORE_TIMEOUT_MS: PATIENT_MS,
    RATE_LIMIT: "0",
    ...bindings,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const url = `http://127.0.0.1:${port}`;
  // A path that does not need the store.
  const responds = () =>
    fetch(`${url}/openapi.json`)
      .then(({ ok }) => ok || output)
      .catch(() => output);
  await expect.poll(responds, { timeout: LONG_PATIENCE_MS, interval: 20 }).toBe(true);
  return { url, port, process: child, output: () => output };
}
