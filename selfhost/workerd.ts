// Runs workerd with config/workerd.capnp as a child process: its arguments, when it listens, how it stops. Of memX it
// reads only dist/ and dashboard/dist/, which `npm run build` creates.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import type { Server } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const require = createRequire(import.meta.url);

/** The program itself. If install scripts do not run, npm's `workerd` command is a Node script around it. */
export const WORKERD: string = require("workerd").default;

/** Time for requests in flight to finish. With the default STORE_TIMEOUT_MS, only streams take longer. */
const STOP_MS = 5_000;

/** The ports of the sockets in config/workerd.capnp. */
export type Ports = Readonly<Record<(typeof SOCKETS)[number], number>>;
const SOCKETS = ["http", "sweep", "news", "metrics"] as const;

/** The file descriptors of a child: of workerd's own messages, and of a socket that it takes from this process. */
const [CONTROL_FD, SOCKET_FD] = [3, 4];

export type Workerd = {
  readonly process: ChildProcess;
  /** Resolves with the ports once workerd listens. If workerd exits first, it never resolves. */
  readonly listening: Promise<Ports>;
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
  /** Where to listen. Without it, on the socket that `runWorkerd` gets. */
  address?: string | undefined;
  dataFolder: string;
  /** The path of workerd's configuration. */
  config?: string;
}): string[] {
  return [
    "serve",
    // For the compatibility flag new_module_registry, which Cloudflare offers to all and workerd still calls experimental.
    "--experimental",
    config,
    address === undefined ? `--socket-fd=http=${SOCKET_FD}` : `--socket-addr=http=${address}`,
    `--directory-path=data=${dataFolder}`,
    `--directory-path=assets=${join(import.meta.dirname, "../dashboard/dist")}`,
  ];
}

/** @param socket a server that listens, instead of the address. Close it after this call: workerd has a copy. */
export function runWorkerd({
  socket,
  env,
  ...options
}: {
  address?: string | undefined;
  socket?: Server | undefined;
  dataFolder: string;
  env: NodeJS.ProcessEnv;
}): Workerd {
  const child = spawn(WORKERD, [...workerdArguments(options), `--control-fd=${CONTROL_FD}`], {
    env,
    stdio: ["ignore", "inherit", "inherit", "pipe", ...(socket ? [descriptorOf(socket)] : [])],
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

/** Node has no public name for it: a child may inherit streams and numbers of files, but no server. */
function descriptorOf(server: Server): number {
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  if (!(fd >= 0)) throw new Error("This version of Node does not tell the descriptor of a server.");
  return fd;
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

async function readPorts(control: Readable): Promise<Ports> {
  const ports: Partial<Record<string, number>> = {};
  for await (const line of createInterface({ input: control })) {
    const { socket, port } = JSON.parse(line);
    ports[socket] = port;
    if (SOCKETS.every((name) => ports[name] !== undefined)) return ports as Ports;
  }
  return new Promise(() => undefined);
}
