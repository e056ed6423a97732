// Starts servers as processes on the loopback, and reads their processor time and memory from Linux.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export type Server = {
  readonly pid: number;
  readonly output: () => string;
  stop(): Promise<void>;
};

const running = new Set<ChildProcess>();

// For a run that exits without stopping its servers.
process.once("exit", () => {
  for (const child of running) kill(child);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

/** Resolves when `ready` does not throw. Rejects with the output of the process if it exits first. */
export async function startServer(
  command: string,
  args: readonly string[],
  {
    ready,
    env = {},
    cwd,
  }: { ready: () => Promise<unknown>; env?: Readonly<Record<string, string>>; cwd?: string | undefined },
): Promise<Server> {
  const child = spawn(command, args, {
    // In its own process group, because some servers start child processes.
    detached: true,
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output = (output + chunk).slice(-20_000);
    });
  }
  let failure: string | undefined;
  child.once("error", (error) => {
    failure = error.message;
  });
  const ended = once(child, "exit").catch(() => undefined);
  ended.then(() => {
    failure ??= "it exited";
    running.delete(child);
  });
  const deadline = performance.now() + 30_000;
  while (failure === undefined) {
    try {
      await ready();
      break;
    } catch (error) {
      if (performance.now() > deadline) failure = `not ready after 30 s (${error})`;
      await sleep(5);
    }
  }
  const stop = async () => {
    // The bench deletes the data anyway, so the server does not need to finish.
    kill(child);
    await ended;
  };
  if (failure !== undefined) {
    await stop();
    throw new Error(`${command} ${args.join(" ")}: ${failure}\n${output}`);
  }
  return { pid: child.pid ?? 0, output: () => output, stop };
}

function kill(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, "SIGKILL");
  } catch {
    // The process has exited already.
  }
}

/** Processor time, in seconds, of the current threads of these processes. */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      // proc(5): "time spent on the cpu, in nanoseconds". The ticks in `stat` are 10 ms long, too coarse for one
      // message.
      nanoseconds += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8"), 10);
    }
  }
  return nanoseconds / 1e9;
}

/** Resident memory, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return sum + Number(kilobytes) * 1024;
  }, 0);
}
