// Runs test/fuzz/attacker.ts as its own process, and ends it with the test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { onTestFinished } from "vitest";
import type { AttackReport } from "../../fuzz/attacker.ts";

export type Attack = {
  /** Resolves when the hostile namespace has the values and schemas that the requests work on. */
  readonly prepared: Promise<AttackReport>;
  /** Resolves when the attacker has ended. */
  readonly over: Promise<AttackReport>;
};

export function startAttack(options: {
  port: number;
  apiKey: string;
  seconds: number;
  seed: string;
  /** Kinds of requests, separated by commas. All by default. */
  kinds: string;
  /** Requests at a time. */
  concurrency: number;
}): Attack {
  const args = Object.entries(options).map(([name, value]) => `--${name === "apiKey" ? "api-key" : name}=${value}`);
  const child = spawn(process.execPath, ["test/fuzz/attacker.ts", ...args], {
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let errors = "";
  child.stderr?.on("data", (chunk) => (errors += chunk));
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`The attacker ended with ${code} before its report:\n${errors}`);
  });
  const stage = (name: AttackReport["stage"]) =>
    new Promise<AttackReport>((resolve) => {
      child.on("message", (report: AttackReport) => {
        if (report.stage === name) resolve(report);
      });
    });
  const [prepared, over] = [stage("prepared"), stage("over")];
  // A test that fails before the attack is over does not wait for it.
  ended.catch(() => undefined);
  const attack = { prepared: Promise.race([prepared, ended]), over: Promise.race([over, ended]) };
  attack.over.catch(() => undefined);
  return attack;
}
