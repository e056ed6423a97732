// Runs sdk/scenario.json with the TypeScript client, and prints what it sees. Arguments: the URL of memX, and the start
// of the keys.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MemX, MemxError } from "../../../typescript/index.ts";

// biome-ignore lint/suspicious/noExplicitAny: the calls of a scenario are data.
type Any = any;

const [url = "", prefix = ""] = process.argv.slice(2);
const file = readFileSync(join(import.meta.dirname, "../../../scenario.json"), "utf8");
const scenario = JSON.parse(file.replaceAll('"$', `"${prefix}`)) as { steps: Any[]; events: unknown[] };
const memx = new MemX({ apiKey: "local_dev_key", baseUrl: url });
const revisions = new Map<string, number>();

const watched = memx.watch(`${prefix}*`);
await watched.ready;
const results: unknown[] = [];
for (const step of scenario.steps) results.push(await run(step).catch(describeError));
const events: unknown[] = [];
for await (const { key, action, value } of watched as AsyncIterable<Any>) {
  events.push([key, action, value ?? null]);
  if (events.length === scenario.events.length) break;
}
memx.close();
console.log(JSON.stringify({ results, events }));

async function run({ call, args, options = {}, name }: Any): Promise<unknown> {
  const { expect, idempotency_key: idempotencyKey, ...rest } = options;
  const revision = typeof expect === "object" ? revisions.get(expect.revision) : expect;
  const all = { ...rest, ...(expect !== undefined && { expect: revision }), ...(idempotencyKey && { idempotencyKey }) };
  const result = await send(call, args, all);
  if (name) revisions.set(name, (result as { revision: number }).revision);
  return describe(call, result);
}

async function send(call: string, args: Any[], options: Any): Promise<Any> {
  switch (call) {
    case "update":
      return memx.update<number>(args[0], (value) => (value ?? 0) + args[1].add, options);
    case "keys":
      return Array.fromAsync(memx.keys({ prefix: args[0], ...options }));
    case "history":
      return Array.fromAsync(memx.history(args[0], options));
    case "lease": {
      const lease = await memx.lease(args[0], options);
      await lease.release();
      return lease;
    }
    default: {
      const method = call.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
      return (memx as Any)[method](...args, options);
    }
  }
}

function describe(call: string, result: Any): unknown {
  if (result === null) return null;
  if (call === "history") return result.map(({ event, action, value }: Any) => ({ event, action, value }));
  if (call === "keys") return result.map(({ key, value }: Any) => ({ key, value }));
  if (call === "lease") return { key: result.key, holder: result.holder };
  if (call === "batch") return { results: result.results.map(({ updated, deleted }: Any) => ({ updated, deleted })) };
  const { ok, revision, ts, created, expires, by, ...rest } = result;
  return rest;
}

function describeError(error: unknown): unknown {
  if (!(error instanceof MemxError)) throw error;
  const { name, code, status } = error;
  const { current } = error as MemxError & { current?: { value?: unknown } | null };
  const paths = error.errors.map(({ path }) => path);
  return {
    error: name,
    code,
    ...(code !== "invalid_request" && { status }),
    ...(current && { current: { value: current.value } }),
    ...(code.includes("schema") && { paths }),
  };
}
