// JSON as text: checks a document once and finds the text of its top-level parts, so that memX stores and sends each
// value exactly as the client wrote it. It does not print JSON: nothing here turns a value back into text.

import type { JsonText } from "../sdk/protocol.ts";

export type JsonDocument = {
  readonly value: unknown;
  /** The text of each top-level member when the document is an object, by name. */
  readonly members: ReadonlyMap<string, JsonText>;
  /** Items and members of all arrays and objects, about. */
  readonly parts: number;
};

/** Why a text is not acceptable JSON. The message is a predicate for the caller, as in "The body is not valid JSON." */
export class JsonTextError extends Error {
  override readonly name = "JsonTextError";
}

/**
 * Parses JSON (RFC 8259) that every client reads as the same value. Like I-JSON (RFC 7493), it refuses duplicate names,
 * lone surrogates and numbers that do not fit in a double.
 * @throws {JsonTextError}
 */
export function parseJsonText(text: string, { maxDepth }: { maxDepth: number }): JsonDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message quotes the text, which may hold a secret.
    throw new JsonTextError("is not valid JSON");
  }
  const { depth, names, members, parts } = outline(text);
  if (depth > maxDepth) throw new JsonTextError(`has more than ${maxDepth} levels of nesting`);
  // JSON.parse keeps only one of two equal names, so the value then has fewer names than the text.
  if (checkAndCountNames(value, hasSurrogates(text)) !== names)
    throw new JsonTextError("has an object with two members of the same name");
  return { value, members, parts };
}

/** Whether a string of the document may have a lone surrogate: only a text that has one has, or one that is escaped. */
function hasSurrogates(text: string): boolean {
  return text.includes("\\u") || !text.isWellFormed();
}

/** Recursive, so only for documents whose depth was checked. */
function checkAndCountNames(value: unknown, surrogates: boolean): number {
  if (typeof value === "string") {
    if (surrogates && !value.isWellFormed())
      throw new JsonTextError("has a string with a lone surrogate, which is not valid Unicode");
    return 0;
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new JsonTextError("has a number that does not fit in a 64-bit float");
    return 0;
  }
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += checkAndCountNames(item, surrogates);
    return count;
  }
  for (const name of Object.keys(value)) {
    if (surrogates && !name.isWellFormed())
      throw new JsonTextError("has a name with a lone surrogate, which is not valid Unicode");
    count += 1 + checkAndCountNames((value as Record<string, unknown>)[name], surrogates);
  }
  return count;
}

/** The parts of a text, one level down. */
export type Outline = {
  /** Levels of arrays and objects. */
  readonly depth: number;
  /** Names in all objects, at every level. */
  readonly names: number;
  /** Arrays, objects, and commas, at every level. */
  readonly parts: number;
  /** The text of each member of an object, in its original order. */
  readonly members: Map<string, JsonText>;
  /** Whether two members have the same name. `members` has the last. */
  readonly repeats: boolean;
  /** The text of each item of an array. */
  readonly items: JsonText[];
};

/** Reads only the structure, so the text must already be valid JSON. */
export function outline(text: JsonText): Outline {
  const members = new Map<string, JsonText>();
  const items: JsonText[] = [];
  const isObject = text.trimStart().startsWith("{");
  let depth = 0;
  let deepest = 0;
  let names = 0;
  let parts = 0;
  let nameStart = 0;
  let nameEnd = 0;
  let valueStart = -1;
  let repeats = false;

  const endPart = (end: number) => {
    if (valueStart < 0) return;
    const part = text.slice(valueStart, end).trim();
    if (isObject) {
      const name: string = JSON.parse(text.slice(nameStart, nameEnd));
      repeats ||= members.has(name);
      members.set(name, part);
    } else if (part !== "") items.push(part);
    valueStart = -1;
  };

  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (depth === 1 && valueStart < 0) {
          nameStart = at;
          nameEnd = end;
        }
        at = end - 1;
        break;
      }
      case "{":
      case "[":
        parts++;
        deepest = Math.max(deepest, ++depth);
        if (depth === 1 && !isObject) valueStart = at + 1;
        break;
      case "}":
      case "]":
        if (depth-- === 1) endPart(at);
        break;
      case ":":
        names++;
        if (depth === 1) valueStart = at + 1;
        break;
      case ",":
        parts++;
        if (depth !== 1) break;
        endPart(at);
        if (!isObject) valueStart = at + 1;
        break;
    }
  }
  return { depth: deepest, names, parts, members, repeats, items };
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let quote = start;
  for (;;) {
    quote = text.indexOf('"', quote + 1);
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

const encoder = new TextEncoder();

/** Whether a text has more than `maxBytes` bytes in UTF-8. Each UTF-16 unit takes one to three bytes. */
export function isLonger(text: string, maxBytes: number): boolean {
  if (text.length > maxBytes) return true;
  return text.length * 3 > maxBytes && utf8Length(text) > maxBytes;
}

/** The last text that was measured, because a write asks several times for the same one. */
let measured = { text: "", bytes: 0 };

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  if (text !== measured.text) measured = { text, bytes: encoder.encode(text).length };
  return measured.bytes;
}
