// A history of calls on memX, and how Porcupine, a linearizability checker in Go, judges it. test/process/porcupine has
// the model of a key.

import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dataFolder } from "./dev-server.ts";

/** What a key holds. */
export type Version = { readonly value: string; readonly revision: number };

export type Operation = {
  readonly client: number;
  readonly key: string;
  readonly op: "set" | "get" | "delete";
  /** Of a set. No two sets of a history have the same value. */
  readonly value?: string;
  /** What the write requires. Absent for no condition, a revision of 0 for a key without a value. */
  readonly expect?: Version;
  /** In nanoseconds of any clock that all clients share. */
  readonly call: number;
  /** Absent if the call has no response: it may have taken effect at any time after `call`, or never. */
  readonly return?: number;
  /** `nothing` is a delete of a key without a value. */
  readonly outcome: "applied" | "nothing" | "conflict" | "read" | "unknown";
  /** Of the applied change. */
  readonly revision?: number;
  /** What a read or a conflict says that the key holds, absent for no value. */
  readonly current?: Version;
};

const SOURCE = join(import.meta.dirname, "../porcupine");

/** Returns what Porcupine prints, and whether the history is linearizable. */
export function judge(history: readonly Operation[]): { isLinearizable: boolean; report: string } {
  const [program, file] = [join(dataFolder(), "porcupine"), join(dataFolder(), "history.jsonl")];
  if (!existsSync(program)) build(program);
  writeFileSync(file, history.map((operation) => `${JSON.stringify(operation)}\n`).join(""));
  const { status, stdout, stderr, error } = spawnSync(program, [file], { encoding: "utf8" });
  if (error || (status !== 0 && status !== 1)) throw error ?? new Error(stderr);
  return { isLinearizable: status === 0, report: stdout };
}

/** The Go tool gets Porcupine from the module proxy that the environment names, and checks it against go.sum. */
function build(program: string): void {
  const env = { ...process.env, CGO_ENABLED: "0" };
  const { status, stderr, error } = spawnSync("go", ["build", "-o", program, "."], {
    cwd: SOURCE,
    encoding: "utf8",
    env,
  });
  if (error || status !== 0) throw error ?? new Error(`go build failed:\n${stderr}`);
}
