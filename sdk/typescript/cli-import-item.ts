// A line of an import, checked as far as that is possible without memX, and the lines of standard input.

import { checkKey } from "./check-text.ts";
import { EXPORT_FORMAT } from "./cli-export.ts";
import { memberTexts } from "./cli-json.ts";

/** More than any value and key with their names. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

const NEWLINE = 10;

/** A value or a schema to write. */
export type Item = {
  /** Where it comes from: the number of its line, from 1 on. */
  readonly line: number;
  /** What an error calls it. */
  readonly name: string;
  readonly kind: "value" | "schema";
  readonly key: string;
  /** The value or schema, and the time of the value, as their texts. */
  readonly json: string;
  readonly ts?: string;
  /** In seconds since the epoch. */
  readonly expires?: number;
  readonly by?: string;
};

/** The number of values and schemas that must have come by now. */
export type End = { readonly end: { readonly values: number; readonly schemas: number } };

/** The fault of a line, in one sentence. */
export class LineError extends Error {
  readonly line: number;

  constructor(line: number, name: string, fault: string) {
    super(`${name}: ${fault}`);
    this.line = line;
  }
}

export type Line = { readonly line: number; readonly text: string; readonly bytes: number };

/** Yields the lines. @throws {LineError} */
export async function* readLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let line = 0;
  const decode = (bytes: Uint8Array): Line => {
    line++;
    try {
      return { line, text: decoder.decode(bytes), bytes: bytes.length + 1 };
    } catch {
      throw new LineError(line, `Line ${line}`, "Not valid UTF-8.");
    }
  };
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of input) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      const part = chunk.subarray(from, end);
      yield decode(rest.length > 0 ? Buffer.concat([...rest, part]) : part);
      [rest, restBytes, from] = [[], 0, end + 1];
    }
    if (from === chunk.length) continue;
    rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > MAX_LINE_BYTES) {
      throw new LineError(line + 1, `Line ${line + 1}`, `Longer than ${MAX_LINE_BYTES} bytes.`);
    }
  }
  if (restBytes > 0) yield decode(Buffer.concat(rest));
}

/** Reads a line; `null` if there is nothing to write, as in an empty line and the first line of an export. @throws {LineError} */
export function readItem({ line, text }: Line): Item | End | "head" | null {
  if (text.trim() === "") return null;
  const name = `Line ${line}`;
  const wrong = (fault: string) => new LineError(line, name, fault);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong("Not valid JSON.");
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) throw wrong("Must be a JSON object.");
  const { event = "value", action = "set", format, values, schemas, key } = json as Record<string, unknown>;
  if (event === "export") {
    if (format === EXPORT_FORMAT) return "head";
    throw wrong("A newer memx-sdk has made this export. Import it with that version.");
  }
  if (event === "end") return { end: { values: Number(values), schemas: Number(schemas) } };
  if (event !== "value" && event !== "schema") throw wrong("`event` must be value or schema.");
  if (action !== "set") throw wrong("`action` must be set.");
  try {
    checkKey(key);
  } catch (error) {
    throw wrong((error as Error).message);
  }
  return makeItem({ line, name: `${name} (key ${JSON.stringify(key)})`, kind: event, key, text });
}

/** Makes an item of the text of an object with its value or schema, and with what is known of it. @throws {LineError} */
export function makeItem({ text, ...place }: Pick<Item, "line" | "name" | "kind" | "key"> & { text: string }): Item {
  const { line, name, kind } = place;
  const wrong = (fault: string) => new LineError(line, name, fault);
  const members = memberTexts(text);
  const json = members.get(kind);
  if (json === undefined) throw wrong(`\`${kind}\` is missing.`);
  if (kind === "schema") return { ...place, json, ...optional("by", readText(members, "by", wrong)) };
  const ts = members.get("ts");
  if (ts !== undefined && typeof JSON.parse(ts) !== "number") throw wrong("`ts` must be a number.");
  const expires = members.get("expires");
  if (expires !== undefined && typeof JSON.parse(expires) !== "number") throw wrong("`expires` must be a number.");
  return {
    ...place,
    json,
    ...optional("ts", ts),
    ...optional("expires", expires === undefined ? undefined : Number(expires)),
    ...optional("by", readText(members, "by", wrong)),
  };
}

function readText(members: ReadonlyMap<string, string>, name: string, wrong: (fault: string) => LineError) {
  const text = members.get(name);
  if (text === undefined) return undefined;
  const by: unknown = JSON.parse(text);
  if (typeof by === "string" && /^(?! )[ -~]{1,64}(?<! )$/.test(by)) return by;
  throw wrong(`\`${name}\` must have 1 to 64 visible ASCII characters, with spaces only between them.`);
}

function optional<N extends string, T>(name: N, value: T | undefined) {
  return (value === undefined ? {} : { [name]: value }) as { readonly [K in N]?: T };
}
