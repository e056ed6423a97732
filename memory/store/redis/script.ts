// A Lua script as a function. It sends the script's digest, and the script's text only if Redis does not know it yet.

import { errors, type Redis } from "@upstash/redis/cloudflare";

export type Script<T> = {
  (keys: readonly string[], args: readonly string[]): Promise<T>;
  readonly text: string;
  /** The name that Redis gives to the script. */
  digest(): Promise<string>;
};

/** A script to run, and with what. */
export type ScriptRun = {
  readonly script: Script<unknown>;
  readonly keys: readonly string[];
  readonly args: readonly string[];
};

/** What Redis sent for one of several scripts: a reply or an error. */
export type ScriptReply = { readonly result?: unknown; readonly error?: string | undefined };

/** Aborts a command that takes too long. The command must start before `command` returns. */
export type TimeLimit = <T>(command: () => Promise<T>) => Promise<T>;

/**
 * Not the client's own `createScript`: it sends a script again if the word NOSCRIPT is anywhere in an error. An error
 * repeats the whole command, and a value in it may contain that word.
 */
export function createScript<T>(redis: Redis, withTimeout: TimeLimit, text: string): Script<T> {
  let known: Promise<string> | undefined;
  const digest = () => {
    known ??= sha1(text);
    return known;
  };
  const run = async (keys: readonly string[], args: readonly string[]) => {
    const sha = await digest();
    try {
      return await withTimeout(() => redis.evalsha<string[], T>(sha, [...keys], [...args]));
    } catch (error) {
      if (!(error instanceof errors.UpstashError && isUnknown(error.message))) throw error;
      return await withTimeout(() => redis.eval<string[], T>(text, [...keys], [...args]));
    }
  };
  return Object.assign(run, { text, digest });
}

/** Runs independent scripts in one request to `/pipeline`, and returns what Redis sent for each. */
export async function runScripts(
  redis: Redis,
  withTimeout: TimeLimit,
  runs: readonly ScriptRun[],
): Promise<readonly ScriptReply[]> {
  const digests = await Promise.all(runs.map(({ script }) => script.digest()));
  const send = (indexes: readonly number[], inFull: ReadonlySet<number>): Promise<readonly ScriptReply[]> => {
    const pipeline = redis.pipeline();
    for (const index of indexes) {
      const { script, keys, args } = runs[index] as ScriptRun;
      if (inFull.has(index)) pipeline.eval(script.text, [...keys], [...args]);
      else pipeline.evalsha(digests[index] as string, [...keys], [...args]);
    }
    return withTimeout(() => pipeline.exec<unknown[]>({ keepErrors: true }));
  };
  const replies = [...(await send([...runs.keys()], new Set()))];
  const unknown = [...runs.keys()].filter((index) => isUnknown(replies[index]?.error ?? ""));
  if (unknown.length === 0) return replies;
  // Redis runs the commands in order, so it knows each script after the first run of it.
  const inFull = new Set(unknown.filter((at) => unknown.find((index) => digests[index] === digests[at]) === at));
  for (const [n, reply] of (await send(unknown, inFull)).entries()) replies[unknown[n] as number] = reply;
  return replies;
}

/** Redis does not know the script, and so has not run it. */
function isUnknown(error: string): boolean {
  return error.startsWith("NOSCRIPT ");
}

async function sha1(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text))).toHex();
}
