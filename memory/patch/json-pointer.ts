// A JSON Pointer (RFC 6901) as the list of names and indexes that lead to a place.

import { LIMITS } from "../../config/limits.ts";
import { unescapeStep } from "../pointer-escape.ts";
import { invalid } from "./refusal.ts";

/** @throws {Refusal} */
export function parsePointer(pointer: string): readonly string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw invalid('A path must be a JSON Pointer: empty, or starting with "/".');
  if (/~(?![01])/.test(pointer)) throw invalid('In a JSON Pointer, write "~" as "~0", and "/" in a name as "~1".');
  const tokens = pointer.slice(1).split("/");
  if (tokens.length > LIMITS.maxJsonDepth)
    throw invalid(`A path must not have more than ${LIMITS.maxJsonDepth} levels.`);
  return tokens.map(unescapeStep);
}

/** Whether `tokens` leads to a place inside the place that `outer` leads to. */
export function isInside(tokens: readonly string[], outer: readonly string[]): boolean {
  return tokens.length > outer.length && outer.every((token, level) => token === tokens[level]);
}

/** The index of a token in an array of `length` items: "-" is the one past the last, -1 means not an index. */
export function indexOf(token: string, length: number): number {
  if (token === "-") return length;
  return /^(0|[1-9][0-9]*)$/.test(token) ? Number(token) : -1;
}

/** Long enough to recognize the pointer by. */
const SHOWN_CHARS = 200;

/** The caller's pointer, as a message shows it. */
export function showPointer(pointer: string): string {
  if (pointer === "") return '""';
  return pointer.length <= SHOWN_CHARS ? pointer : `${pointer.slice(0, SHOWN_CHARS).toWellFormed()}…`;
}
