// How the client reads and writes JSON here: values and schemas stay the text that memX sent, in an `Exact`. Everything
// around them is parsed as usual.

import type { JsonCodec } from "../../../sdk/typescript/options.ts";

/** A value or a schema as its JSON text. */
export class Exact {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** Stands for the text in what the client sends; the codec puts the text in its place. */
  toJSON(): string {
    return sending ? `${MARK}${sending.push(this.text) - 1}` : "";
  }
}

/** A word that no request contains. */
const MARK = `exact-${Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("")}-`;
let sending: string[] | undefined;

/** Members whose content stays text, and members that contain such members. */
const EXACT = new Set(["value", "schema"]);
const NESTED = new Set(["changes", "keys", "entries", "current"]);

export const exactCodec: JsonCodec = {
  parse(text) {
    JSON.parse(text); // The outline below trusts the text.
    return readPart(text);
  },
  stringify(value) {
    const texts: string[] = [];
    sending = texts;
    try {
      const text = JSON.stringify(value);
      return text.replaceAll(new RegExp(`"${MARK}(\\d+)"`, "g"), (_, index) => texts[Number(index)] as string);
    } finally {
      sending = undefined;
    }
  },
};

function readPart(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed.startsWith("[")) return splitParts(trimmed).map(readPart);
  if (!trimmed.startsWith("{")) return JSON.parse(trimmed);
  const result: Record<string, unknown> = {};
  for (const part of splitParts(trimmed)) {
    const nameEnd = endOfString(part, 0);
    const name = JSON.parse(part.slice(0, nameEnd)) as string;
    const content = part.slice(part.indexOf(":", nameEnd) + 1).trim();
    if (EXACT.has(name)) result[name] = new Exact(content);
    else result[name] = NESTED.has(name) ? readPart(content) : JSON.parse(content);
  }
  return result;
}

/** The text of each item of an array, or of each member of an object with its name. The text must be valid JSON. */
function splitParts(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let begin = 1;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at) - 1;
        break;
      case 0x7b:
      case 0x5b:
        depth++;
        break;
      case 0x2c:
        if (depth !== 1) break;
        parts.push(text.slice(begin, at).trim());
        begin = at + 1;
        break;
      case 0x7d:
      case 0x5d:
        if (--depth > 0) break;
        parts.push(text.slice(begin, at).trim());
        break;
    }
  }
  return parts.filter((part) => part !== "");
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = start; ; ) {
    quote = text.indexOf('"', quote + 1);
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
}
