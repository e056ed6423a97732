// How many changes of a namespace its log keeps: one setting, whichever engine keeps them.

import { LIMITS } from "../../config/limits.ts";

export function logLength(env: Pick<Env, "LOG_LENGTH">): number {
  const length = Number(env.LOG_LENGTH || LIMITS.logLength);
  if (!Number.isSafeInteger(length) || length < 1) throw new Error("LOG_LENGTH has to be a whole number from 1 on.");
  return length;
}
