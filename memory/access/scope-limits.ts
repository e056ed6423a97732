// How much an API key may say about itself. Users write their own rows in Supabase, and each isolate compiles their scopes again
// and again, so one user could keep all others waiting.

import { LIMITS } from "../../config/limits.ts";
import { isLonger } from "../json-text.ts";

export const SCOPES_RULE = `must not have more than ${LIMITS.maxScopes} scopes, or more than ${LIMITS.maxScopeBytes} bytes of them and its name`;

/** Whether the lists of scopes and the name, which need not be of their types, are within the limits. */
export function scopesFit({ read, write, name }: Readonly<Record<"read" | "write" | "name", unknown>>): boolean {
  const texts: unknown[] = [name];
  for (const scopes of [read, write]) if (Array.isArray(scopes)) texts.push(...scopes.slice(0, LIMITS.maxScopes + 1));
  if (texts.length > LIMITS.maxScopes + 1) return false;
  return !isLonger(texts.filter((text) => typeof text === "string").join(""), LIMITS.maxScopeBytes);
}
