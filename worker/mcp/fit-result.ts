// Keeps results small enough for a model's context. What is left out can be read with another call.

import { LIMITS } from "../../config/limits.ts";
import { isLonger, outline } from "../../memory/json-text.ts";
import type { JsonText } from "../../sdk/protocol.ts";

const encoder = new TextEncoder();
const room = new Uint8Array(LIMITS.maxToolResultBytes);

/** As much of a text from `start` as fits in one result, in whole characters. */
export function cutText(text: string, start: number): string {
  const rest = text.slice(start, start + room.length);
  return rest.slice(0, encoder.encodeInto(rest, room).read).toWellFormed();
}

export function fits(text: string): boolean {
  return !isLonger(text, room.length);
}

/** A list of JSON objects that fits in one result, and has at least one item if there is any. */
export class ResultList {
  readonly items: JsonText[] = [];
  #bytes = 0;

  /** Returns `false` if there is no room: the item then belongs to the next page. */
  add(item: JsonText): boolean {
    const alone = fits(item) ? item : withoutValue(item);
    const bytes = encoder.encode(item).length;
    if (this.items.length > 0 && this.#bytes + bytes > room.length) return false;
    this.items.push(alone);
    this.#bytes += bytes;
    return true;
  }

  clear(): void {
    this.items.length = 0;
    this.#bytes = 0;
  }

  /** The list as JSON text. */
  toText(): JsonText {
    return `[${this.items.join(",")}]`;
  }
}

/** With the number of bytes in place of a value or schema. */
function withoutValue(item: JsonText): JsonText {
  const members = Array.from(outline(item).members, ([name, text]) =>
    name === "value" || name === "schema"
      ? `"bytes":${encoder.encode(text).length}`
      : `${JSON.stringify(name)}:${text}`,
  );
  return `{${members.join(",")}}`;
}
