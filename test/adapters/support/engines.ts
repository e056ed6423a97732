// memX on workerd with each of its stores, for tests in which a framework uses it.

import { onTestFinished } from "vitest";
import { MemX } from "../../../sdk/typescript/index.ts";
import { startBridgedRedis } from "../../process/support/bridged-redis.ts";
import { startWorkerd } from "../../process/support/workerd.ts";

export const ENGINES = ["embedded", "redis"] as const;
export type Engine = (typeof ENGINES)[number];

/** Starts memX, and stops it after the test. */
export async function startEngine(engine: Engine = "embedded"): Promise<string> {
  const bindings = engine === "redis" ? await startBridgedRedis() : {};
  return (await startWorkerd({ bindings })).url;
}

/** A client that closes after the test. */
export function connect(baseUrl: string, apiKey = "local_dev_key"): MemX {
  const memx = new MemX({ apiKey, baseUrl, retries: 10, timeoutMs: 60_000 });
  onTestFinished(() => memx.close());
  return memx;
}

/** Runs the work for each item, a few at a time. */
export async function inParallel<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>) {
  const waiting = [...items];
  const run = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: workers }, run));
}
