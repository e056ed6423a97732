// What the configuration says of the store, whichever engine it is.

import { LIMITS } from "../../config/limits.ts";
import type { Quota } from "./store.ts";

/** How many changes of a namespace its log keeps. */
export function logLength(env: Pick<Env, "LOG_LENGTH">): number {
  return count("LOG_LENGTH", env.LOG_LENGTH) ?? LIMITS.logLength;
}

/** How much a namespace may hold. */
export function quota(env: Pick<Env, "MAX_NAMESPACE_KEYS" | "MAX_NAMESPACE_BYTES">): Quota {
  return {
    keys: count("MAX_NAMESPACE_KEYS", env.MAX_NAMESPACE_KEYS),
    bytes: count("MAX_NAMESPACE_BYTES", env.MAX_NAMESPACE_BYTES),
  };
}

function count(name: string, setting: string | undefined): number | undefined {
  if (!setting) return undefined;
  const number = Number(setting);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${name} has to be a whole number from 1 on.`);
  return number;
}
