// A part of a JSON text, by JSON Pointer (RFC 6901).

import { outline } from "../../memory/json-text.ts";
import { indexOf, parsePointer } from "../../memory/patch/json-pointer.ts";
import { open } from "../../memory/patch/json-tree.ts";
import { Refusal } from "../../memory/patch/refusal.ts";
import { pointerStep } from "../../memory/pointer-escape.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { invalid } from "../request/read-request.ts";

/**
 * Returns the text at the pointer, `undefined` if there is none.
 * @throws {ApiError} `invalid_request` if it is no pointer
 */
export function readPart(text: JsonText, pointer: string): JsonText | undefined {
  let part: JsonText | undefined = text;
  for (const token of parse(pointer)) {
    const opened = open(part);
    const next = opened instanceof Map ? opened.get(token) : itemOf(opened, token);
    if (next === undefined) return undefined;
    // Only the outer level is open, so what is inside is text.
    part = next as JsonText;
  }
  return part;
}

function itemOf(opened: ReturnType<typeof open>, token: string) {
  return Array.isArray(opened) ? opened[indexOf(token, opened.length)] : undefined;
}

function parse(pointer: string): readonly string[] {
  try {
    return parsePointer(pointer);
  } catch (error) {
    if (error instanceof Refusal) throw invalid("input", [{ path: "/path", message: error.message }]);
    throw error;
  }
}

/** Enough to choose from. */
const SHOWN_PARTS = 20;
const SHOWN_NAME_CHARS = 100;

/** Which parts a value has, for a note. */
export function describeParts(text: JsonText): string {
  const { members, items } = outline(text);
  if (text.startsWith("[")) return `/0 to /${items.length - 1}`;
  if (!text.startsWith("{")) return "it has no parts";
  const parts = Array.from(members, ([name, member]) => [pointerStep(name), member.length] as const)
    .filter(([step]) => step.length <= SHOWN_NAME_CHARS)
    .map(([step, chars]) => `${step} (${chars} characters)`);
  const more = members.size > SHOWN_PARTS ? `, and ${members.size - SHOWN_PARTS} more` : "";
  return parts.slice(0, SHOWN_PARTS).join(", ") + more;
}
