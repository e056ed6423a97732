// A Lua script as a function. It sends the script's digest, and the script's text only if Redis does not know it yet.

import { errors, type Redis } from "@upstash/redis/cloudflare";

export type Script<T> = (keys: readonly string[], args: readonly string[]) => Promise<T>;

/** Aborts a command that takes too long. The command must start before `command` returns. */
export type TimeLimit = <T>(command: () => Promise<T>) => Promise<T>;

/**
 * Not the client's own `createScript`: it sends a script again if the word NOSCRIPT is anywhere in an error. An error
 * repeats the whole command, and a value in it may contain that word.
 */
export function createScript<T>(redis: Redis, withTimeout: TimeLimit, text: string): Script<T> {
  let digest: Promise<string> | undefined;
  return async (keys, args) => {
    digest ??= sha1(text);
    try {
      const sha = await digest;
      return await withTimeout(() => redis.evalsha<string[], T>(sha, [...keys], [...args]));
    } catch (error) {
      if (!(error instanceof errors.UpstashError && error.message.startsWith("NOSCRIPT "))) throw error;
      return await withTimeout(() => redis.eval<string[], T>(text, [...keys], [...args]));
    }
  };
}

/** The name that Redis gives to a script. */
async function sha1(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text))).toHex();
}
