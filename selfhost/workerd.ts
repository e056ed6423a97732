// workerd with config/workerd.capnp, as a process of its own: how it is called, when it listens, how it ends. It reads
// dist/, which `npm run build` makes, and nothing else of memX.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const require = createRequire(import.meta.url);

/** The program itself. What npm puts on the path is a script around it where install scripts do not run. */
export const WORKERD: string = require("workerd").default;

/** What requests in flight have to be answered in. None that is not a stream takes longer. */
const STOP_MS = 5_000;

export type Workerd = {
  readonly process: ChildProcess;
  /** Resolves with the ports once it listens; never where it ends before. */
  readonly listening: Promise<{ readonly http: number; readonly sweep: number }>;
  /** Resolves with its exit code. */
  readonly ended: Promise<number>;
  /** Takes no more connections, answers the requests in flight, and ends. Open sockets and streams are cut off after 5 seconds. */
  stop(): void;
};

export function workerdArguments({ address, dataFolder }: { address: string; dataFolder: string }): string[] {
  return [
    "serve",
    join(import.meta.dirname, "../config/workerd.capnp"),
    `--socket-addr=http=${address}`,
    `--directory-path=data=${dataFolder}`,
    `--directory-path=swagger-ui=${join(require.resolve("swagger-ui-dist/package.json"), "..")}`,
  ];
}

export function runWorkerd(options: { address: string; dataFolder: string; env: NodeJS.ProcessEnv }): Workerd {
  const child = spawn(WORKERD, [...workerdArguments(options), "--control-fd=3"], {
    env: options.env,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
    // Out of reach of a terminal's Ctrl-C, which ends workerd at once.
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

/** This pipe closes when this process ends, however it does; then that one must not stay behind with port and data. */
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
