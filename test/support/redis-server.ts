// Starts a redis-server for one test, on a free port and with its own data.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

export type RedisServer = {
  readonly port: number;
  readonly url: string;
  readonly pid: number | undefined;
  /** Ends this process. @default SIGTERM */
  stop(signal?: NodeJS.Signals): Promise<void>;
};

/**
 * Resolves when Redis replies. `args` go to redis-server. With `--dir` the data stays in that folder. Without it, the
 * data is in a temporary folder that is removed with the process.
 */
export async function startRedisServer({
  args = [],
  port,
}: {
  args?: readonly string[];
  port?: number;
} = {}): Promise<RedisServer> {
  const chosen = port ?? (await freePort());
  const folder = args.includes("--dir") ? undefined : await mkdtemp(join(tmpdir(), "memx-redis-"));
  const child = spawn(
    "redis-server",
    ["--port", String(chosen), "--bind", "127.0.0.1", "--save", "", ...(folder ? ["--dir", folder] : []), ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    child.once("error", resolve);
    child.once("exit", () => resolve(undefined));
  });
  // In case the test run ends without stopping the server.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);

  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    await ended;
    process.off("exit", kill);
    if (folder) await rm(folder, { recursive: true, force: true });
  };
  let running = true;
  ended.then(() => {
    running = false;
  });
  while (running && !(await replies(chosen))) await new Promise((resolve) => setTimeout(resolve, 20));
  if (running) return { port: chosen, url: `redis://127.0.0.1:${chosen}`, pid: child.pid, stop };

  await stop();
  if ((await ended)?.code === "ENOENT") {
    throw new Error("The tests need redis-server: apt-get install redis-server, or brew install redis.");
  }
  throw new Error(`redis-server ended before it was ready:\n${output}`);
}

/** Also true if Redis wants a password, but not while it loads its data. */
async function replies(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    return await new Promise((resolve) => {
      socket.once("connect", () => socket.write("PING\r\n"));
      socket.once("data", (reply) => resolve(/^(\+PONG|-NOAUTH)/.test(String(reply))));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
