// JSON as its text, in both directions: what is written is what was given, and what is printed is what memX sent. Parsed
// and printed again, `9007199254740993` and `1.0` would be other numbers.

import { randomUUID } from "node:crypto";
import { UsageError } from "./cli-arguments.ts";
import type { JsonCodec } from "./options.ts";

/** Stands for its text in what the client sends. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): string {
    return `${MARK}${sent.push(this.text) - 1}`;
  }
}

/** In front of the number of a text: a word that no argument has. */
const MARK = `${randomUUID()}:`;
const sent: string[] = [];

/** The text of everything that the client hands out. */
const received = new WeakMap<object, string>();

/** The lists of pages. */
const LISTS = ["keys", "changes"];

export const textCodec: JsonCodec = {
  parse(text) {
    const json: unknown = JSON.parse(text);
    if (json === null || typeof json !== "object") return json;
    received.set(json, text.trim());
    for (const name of LISTS) {
      const items = (json as Record<string, unknown>)[name];
      if (Array.isArray(items)) noteItems(items, text, name);
    }
    return json;
  },
  stringify(value) {
    return JSON.stringify(value).replace(new RegExp(`"${MARK}(\\d+)"`, "g"), (_, index) => sent[index] as string);
  },
};

/** The text of a request's body, as it is sent. */
export type RawBody = { readonly raw: string };

/** For calls by the thousand: bodies that are made as text, and the text of a response as its member `raw`. */
export const rawCodec: JsonCodec = {
  parse(text) {
    const json: unknown = JSON.parse(text);
    return json !== null && typeof json === "object" ? { ...json, raw: text } : json;
  },
  stringify: (value) => (value as RawBody).raw,
};

/** Returns the text that memX sent, in one line: in JSON, line breaks are white space, for they are escaped in strings. */
export function lineOf(json: object): string {
  return (received.get(json) ?? JSON.stringify(json)).replace(/[\r\n]+/g, " ");
}

/** @throws {UsageError} if the text is not JSON */
export function readJson(text: string, from = text): JsonText {
  try {
    JSON.parse(text);
  } catch {
    throw new UsageError(
      `Not valid JSON: ${from || "an empty argument"}. A string needs its own quotes: '"like this"'.`,
    );
  }
  return new JsonText(text);
}

/** @throws {UsageError} if standard input is not JSON in UTF-8. It may have a byte order mark. */
export async function readStdin(): Promise<JsonText> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(Buffer.concat(chunks));
  } catch {
    throw new UsageError("Standard input is not valid UTF-8.");
  }
  if (text.trim() === "") throw new UsageError("Standard input is empty.");
  return readJson(text, "standard input");
}

/** Returns the text of each member of an object, by its name. The text is valid JSON. */
export function memberTexts(text: string): Map<string, string> {
  const members = new Map<string, string>();
  for (const member of splitMembers(text)) {
    const end = endOfString(member, 0);
    members.set(JSON.parse(member.slice(0, end)), member.slice(member.indexOf(":", end) + 1).trim());
  }
  return members;
}

function noteItems(items: readonly unknown[], text: string, name: string): void {
  for (const [index, itemText] of splitMembers(memberTexts(text).get(name) ?? "").entries()) {
    const item = items[index];
    if (item !== null && typeof item === "object") received.set(item, itemText);
  }
}

/** Returns the text of each item of an array, or of each member of an object with its name. The text is valid JSON. */
export function splitMembers(text: string): string[] {
  const members: string[] = [];
  let depth = 0;
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '"') at = endOfString(text, at) - 1;
    else if ("[{".includes(character) && ++depth === 1) begin = at + 1;
    else if (depth === 1 && ",]}".includes(character)) {
      members.push(text.slice(begin, at).trim());
      begin = at + 1;
    }
    if ("]}".includes(character)) depth--;
  }
  return members.filter((member) => member !== "");
}

/** Where the string ends that begins at an index. */
function endOfString(text: string, begin: number): number {
  let at = begin + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}
