// Keeps the results of tools small enough for a model's context. What is left out can be read with another call.

import { ConflictError, type MemxError } from "../errors.ts";

/** Bytes of UTF-8 in one result, as in config/limits.ts of memX. */
const MAX_BYTES = 32 * 1024;

/** Characters of a changed value that a result shows. */
export const SHOWN_CHARS = 4096;

/** Which parts of a value are named, so that the agent can choose. */
const SHOWN_PARTS = 20;
const SHOWN_NAME_CHARS = 100;

const room = new Uint8Array(MAX_BYTES);

export function fits(text: string): boolean {
  return bytesOf(text) <= MAX_BYTES;
}

/** As much of a text from `start` as fits in one result, in whole characters. */
fits.cut = (text: string, start: number): string => {
  const rest = text.slice(start, start + MAX_BYTES);
  return rest.slice(0, new TextEncoder().encodeInto(rest, room).read);
};

/** The first items that fit in one result, at least one. An item that is too large has its size in place of its value. */
export function fitList<T extends object>(all: readonly T[]): { readonly items: T[]; readonly left: boolean } {
  const items: T[] = [];
  let bytes = 0;
  for (const item of all) {
    const size = bytesOf(JSON.stringify(item));
    bytes += size;
    if (items.length > 0 && bytes > MAX_BYTES) return { items, left: true };
    items.push(size > MAX_BYTES ? withoutValue(item) : item);
  }
  return { items, left: false };
}

function withoutValue<T extends object>(item: T): T {
  const members = Object.entries(item).map(([name, value]) =>
    name === "value" || name === "schema" ? ["bytes", bytesOf(JSON.stringify(value))] : [name, value],
  );
  return Object.fromEntries(members) as T;
}

/** The part at a JSON Pointer (RFC 6901); `undefined` if there is none. */
export function readPart(value: unknown, pointer: string): unknown {
  if (pointer === "") return value;
  if (!pointer.startsWith("/")) return undefined;
  let part = value;
  for (const step of pointer.slice(1).split("/")) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof part !== "object" || part === null || !Object.hasOwn(part, name)) return undefined;
    if (Array.isArray(part) && !/^(0|[1-9]\d*)$/.test(name)) return undefined;
    part = (part as Record<string, unknown>)[name];
  }
  return part;
}

/** Which parts a value has, for a note. */
export function describeParts(value: unknown): string {
  if (Array.isArray(value)) return `/0 to /${value.length - 1}`;
  if (typeof value !== "object" || value === null) return "it has no parts";
  const parts = Object.entries(value)
    .map(
      ([name, part]) => [`/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, JSON.stringify(part).length] as const,
    )
    .filter(([step]) => step.length <= SHOWN_NAME_CHARS)
    .map(([step, chars]) => `${step} (${chars} characters)`);
  const more = parts.length > SHOWN_PARTS ? `, and ${parts.length - SHOWN_PARTS} more` : "";
  return parts.slice(0, SHOWN_PARTS).join(", ") + more;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What to tell a model: what is wrong, and what to do next. */
export function describeFailure(error: MemxError, prefix: string, readOnly: boolean): string {
  const { code, message } = error;
  const current = error instanceof ConflictError ? error.current : undefined;
  // memX names a key as JSON.
  const shown = message.replaceAll(JSON.stringify(prefix).slice(0, -1), '"');
  const lines = [`${code}: ${shown}`];
  if (current !== undefined) {
    const text = JSON.stringify(current);
    lines.push(`current: ${fits(text) ? text : `${fits.cut(text, 0)} … (cut: read it with memx_get)`}`);
  }
  const next = nextStep(code, current, readOnly);
  return [...lines, ...(next ? [`Next: ${next}`] : [])].join("\n");
}

function nextStep(code: MemxError["code"], current: unknown, readOnly: boolean): string | undefined {
  switch (code) {
    case "conflict":
      if (current === undefined) return "read the key with memx_get, decide again, and write again.";
      if (current === null) return "the key has no value now. To create it, pass `expect: 0`.";
      return "decide again on the basis of `current`, and pass its revision as `expect`.";
    case "schema_violation":
      return "read the key's schema with memx_schema, correct the value, and write again.";
    case "invalid_request":
      return "correct the input, and call the tool again.";
    case "forbidden":
      return "use a key that your API key allows.";
    case "too_large":
      return "write less, or use several keys.";
    case "rate_limited":
    case "store_unavailable":
    case "internal":
    case "network":
    case "timeout":
      return readOnly
        ? "try again later."
        : "read the key to see whether the write was applied. If not, try again later.";
    default:
      return undefined;
  }
}
