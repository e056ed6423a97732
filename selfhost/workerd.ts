// Runs workerd with config/workerd.capnp as a child process: its arguments, when it listens, how it stops. Of memX it
// reads only dist/ and dashboard/dist/, which `npm run build` creates.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const require = createRequire(import.meta.url);

/** The program itself. If install scripts do not run, npm's `workerd` command is a Node script around it. */
export const WORKERD: string = require("workerd").default;

/** Time for requests in flight to finish. With the default STORE_TIMEOUT_MS, only streams take longer. */
const STOP_MS = 5_000;

export type Workerd = {
  readonly process: ChildProcess;
  /** Resolves with the ports once workerd listens. If workerd exits first, it never resolves. */
  readonly listening: Promise<{ readonly http: number; readonly sweep: number }>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
  /**
   * Accepts no more connections, finishes the requests in flight, and exits. After 5 seconds it cuts off open sockets
   * and streams.
   */
  stop(): void;
};

export function workerdArguments({
  address,
  dataFolder,
  config = join(import.meta.dirname, "../config/workerd.capnp"),
}: {
  address: string;
  dataFolder: string;
  /** The path of workerd's configuration. */
  config?: string;
}): string[] {
  return [
    "serve",
    // For the compatibility flag new_module_registry, which Cloudflare offers to all and workerd still calls experimental.
    "--experimental",
    config,
    `--socket-addr=http=${address}`,
    `--directory-path=data=${dataFolder}`,
    `--directory-path=assets=${join(import.meta.dirname, "../dashboard/dist")}`,
  ];
}

export function runWorkerd(options: { address: string; dataFolder: string; env: NodeJS.ProcessEnv }): Workerd {
  const child = spawn(WORKERD, [...workerdArguments(options), "--control-fd=3"], {
    env: options.env,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
    // In its own process group, because a terminal's Ctrl-C would kill workerd at once.
    detached: true,
  });
  const guard = endWithMe(child.pid as number);
  const ended = once(child, "exit").then(([code]) => {
    guard.kill("SIGKILL");
    return code ?? 1;
  });
  return {
    process: child,
    listening: readPorts(child.stdio[3] as Readable),
    ended,
    stop() {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), STOP_MS).unref();
    },
  };
}

/**
 * Kills `pid` when this process exits, however it does: then the pipe closes. Otherwise workerd would keep the port and
 * the data.
 */
function endWithMe(pid: number): ChildProcess {
  const guard = spawn("sh", ["-c", 'read -r _; kill -KILL "$0"', String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  return guard;
}

async function readPorts(control: Readable): Promise<{ http: number; sweep: number }> {
  const ports: Record<string, number> = {};
  for await (const line of createInterface({ input: control })) {
    const { socket, port } = JSON.parse(line);
    ports[socket] = port;
    const { http, sweep } = ports;
    if (http !== undefined && sweep !== undefined) return { http, sweep };
  }
  return new Promise(() => undefined);
}
