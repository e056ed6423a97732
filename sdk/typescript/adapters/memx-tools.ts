// What the tools of sdk/tools.json do, over the client: the same as memX's MCP server does, for frameworks that call tools in
// process. Results are small enough for a model's context.

import { INSTRUCTIONS, isReadOnly, TOOLS, type ToolDefinition } from "../../tools.ts";
import { ConflictError, InvalidRequestError, MemxError } from "../errors.ts";
import { escapeKey } from "../glob.ts";
import { type MemX, waitForChanges } from "../memx.ts";
import type { Entry, KeyEntry, Patched, Written } from "../types.ts";
import { inGroups } from "./groups.ts";
import { checkInput } from "./tool-input.ts";
import { describeFailure, describeParts, fitList, fits, readPart, SHOWN_CHARS } from "./tool-texts.ts";

export { INSTRUCTIONS, type ToolDefinition };

export type ToolOptions = {
  /** The start of all keys that the tools can reach. The model does not see it. @default "" */
  readonly prefix?: string;
  /** Offer only the tools that change nothing. @default false */
  readonly readOnly?: boolean;
};

/** The arguments of a tool, which match its input schema. */
// biome-ignore lint/suspicious/noExplicitAny: each tool has its own.
type Arguments = any;
type Context = { readonly memx: MemX; readonly prefix: string; readonly signal: AbortSignal | undefined };
type Tool = (context: Context, args: Arguments) => Promise<object>;

const MAX_READ = 16;

export function toolsFor({ readOnly = false }: ToolOptions): readonly ToolDefinition[] {
  return TOOLS.filter((tool) => !readOnly || isReadOnly(tool));
}

/**
 * Does what a tool says.
 * @throws {Error} with a text for the model: what is wrong, and what to do next
 */
export async function callTool(
  memx: MemX,
  name: string,
  args: unknown,
  { prefix = "", signal }: ToolOptions & { readonly signal?: AbortSignal | undefined },
): Promise<object> {
  const definition = TOOLS.find((tool) => tool.name === name);
  const run = RUN[name];
  if (!definition || !run) throw new Error(`There is no tool ${name}.`);
  try {
    checkInput(definition.inputSchema, args);
    return await run({ memx, prefix, signal }, args);
  } catch (error) {
    throw error instanceof MemxError
      ? new Error(describeFailure(error, prefix, isReadOnly(definition)), { cause: error })
      : error;
  }
}

const RUN: Readonly<Record<string, Tool>> = {
  async memx_get({ memx, prefix, signal }, { key, path = "", offset = 0 }) {
    const entry = await memx.get(prefix + key, { signal });
    if (!entry) return { found: false };
    const { value, ...version } = entry;
    const part = readPart(value, path);
    if (part === undefined) return { found: false, ts: version.ts, revision: version.revision };
    const text = JSON.stringify(part);
    if (offset === 0 && fits(text)) return { found: true, value: part, ...version };
    return { found: true, ...version, ...cut(text, offset, part) };
  },

  async memx_list({ memx, prefix, signal }, { prefix: start = "", cursor = "", limit = 50, values = false }) {
    const found: KeyEntry[] = [];
    // The cursor is the last key of the previous page.
    const pageSize = cursor === "" ? Math.min(limit + 1, 1_000) : 1_000;
    for await (const listed of memx.keys({ prefix: prefix + start, pageSize, signal })) {
      if (found.length > limit) break;
      if (cursor === "" || isAfter(listed.key, prefix + cursor)) found.push(listed);
    }
    const page = found.slice(0, limit);
    const shown = values ? await withValues(memx, page, signal) : page;
    const { items, left } = fitList(shown.map((entry) => withoutPrefix(entry, prefix)));
    const more = left || found.length > limit;
    return { keys: items, cursor: more ? (items.at(-1)?.key ?? null) : null };
  },

  async memx_history({ memx, prefix, signal }, { key, limit = 10, before }) {
    const changes = [];
    const options = { pageSize: limit, signal, ...(before !== undefined && { before }) };
    for await (const change of memx.history(prefix + key, options)) if (changes.push(change) === limit) break;
    const { items } = fitList(changes.map((change) => withoutPrefix(change, prefix)));
    const last = items.at(-1);
    return { changes: items, cursor: last && last.previous > 0 ? last.revision : null };
  },

  async memx_schema({ memx, prefix, signal }, { key }) {
    const stored = await memx.getSchema(prefix + key, { signal });
    return stored ? { found: true, schema: stored.schema, revision: stored.revision } : { found: false };
  },

  async memx_wait({ memx, prefix, signal }, { patterns, since, seconds: wait = 20 }) {
    const pattern = patterns.map((each: string) => escapeKey(prefix) + each);
    const page = await waitForChanges(memx, { pattern, since, wait }, signal);
    const values = page.changes.filter(({ event }) => event === "value");
    const { items: changes, left } = fitList(values.map((change) => withoutPrefix(change, prefix)));
    const { reset } = page;
    if (!left) return { changes, revision: page.revision, reset };
    // The next call can begin after the last change of this one. A snapshot has no such place.
    if (!reset && since !== 0) return { changes, revision: changes.at(-1)?.revision, reset };
    const note = "There is more than fits here. Read it with memx_list and memx_get, and wait from `revision`.";
    return { changes, revision: page.revision, reset, note };
  },

  async memx_set({ memx, prefix, signal }, { key, value, holding, ...options }) {
    if (!holding) return version(await memx.set(prefix + key, value, { ...options, signal }));
    const check = { op: "check", key: prefix + holding.key, expect: holding.token } as const;
    try {
      const operation = { op: "set", key: prefix + key, value, ...options } as const;
      const { results } = await memx.batch([check, operation], { signal });
      return version(results[1] as Written);
    } catch (error) {
      if (!(error instanceof ConflictError) || !error.errors[0]?.path.startsWith("/operations/0")) throw error;
      const name = JSON.stringify(holding.key);
      const lost = `Your claim on ${name} has expired or was released, so nothing was written. Another agent may do the work now: claim ${name} again before you go on.`;
      throw new ConflictError("conflict", lost);
    }
  },

  async memx_merge({ memx, prefix, signal }, { key, changes, ...options }) {
    return patched(await memx.merge(prefix + key, changes, { ...options, signal }));
  },

  async memx_append({ memx, prefix, signal }, { key, items, ...options }) {
    return patched(await memx.append(prefix + key, items, { ...options, signal }));
  },

  async memx_increment({ memx, prefix, signal }, { key, by, ...options }) {
    const result = await memx.increment<unknown>(prefix + key, by, { ...options, signal });
    return { ...version(result), value: readPart(result.value, options.path ?? "") };
  },

  async memx_delete({ memx, prefix, signal }, { key, ...options }) {
    const { deleted, revision } = await memx.delete(prefix + key, { ...options, signal });
    return { deleted, revision };
  },

  async memx_claim({ memx, prefix, signal }, { key, holder, seconds: ttl = 60, token: expect = 0 }) {
    try {
      return { claimed: true, token: (await memx.set(prefix + key, holder, { expect, ttl, signal })).revision };
    } catch (error) {
      const other = currentOf(error);
      return {
        claimed: false,
        ...(other && { holder: other.value, ...(other.expires && { expires: other.expires }) }),
      };
    }
  },

  async memx_release({ memx, prefix, signal }, { key, token: expect }) {
    try {
      await memx.delete(prefix + key, { expect, signal });
      return { released: true };
    } catch (error) {
      currentOf(error);
      return { released: false };
    }
  },
};

async function withValues(memx: MemX, page: readonly KeyEntry[], signal: AbortSignal | undefined): Promise<KeyEntry[]> {
  const full: KeyEntry[] = [];
  for (const group of inGroups(page, MAX_READ)) {
    const { entries } = await memx.getMany(
      group.map(({ key }) => key),
      { signal },
    );
    full.push(...entries.flatMap((entry, at) => (entry ? { key: (group[at] as KeyEntry).key, ...entry } : [])));
  }
  return full;
}

/** In the order of memX, which is that of the bytes of UTF-8, and so of the code points. */
function isAfter(key: string, other: string): boolean {
  const [a, b] = [Array.from(key), Array.from(other)];
  const at = a.findIndex((character, index) => character !== b[index]);
  if (at === -1) return false;
  return b[at] === undefined || (a[at]?.codePointAt(0) ?? 0) > (b[at].codePointAt(0) ?? 0);
}

function withoutPrefix<T extends { readonly key: string }>(item: T, prefix: string): T {
  return { ...item, key: item.key.slice(prefix.length) };
}

function cut(text: string, offset: number, part: unknown): object {
  if (offset >= text.length) {
    throw new InvalidRequestError("invalid_request", `/offset: The value has only ${text.length} characters.`);
  }
  const piece = fits.cut(text, offset);
  const next = offset + piece.length;
  if (next === text.length) return { part: piece, note: `This is the end of the value, from character ${offset} on.` };
  const note = `These are the characters ${offset} to ${next} of ${text.length}. Read on with \`offset\`: ${next}, or read a part with \`path\`: ${describeParts(part)}. If \`revision\` changes, begin again.`;
  return { part: piece, next, note };
}

function version({ revision, ts }: Pick<Written, "revision" | "ts">): { revision: number; ts: number } {
  return { revision, ts };
}

/** The agent knows what it changed. */
function patched(result: Patched): object {
  const text = JSON.stringify(result.value);
  const shown = text.length <= SHOWN_CHARS ? { value: result.value } : { bytes: new TextEncoder().encode(text).length };
  return { ...version(result), ...shown };
}

/** Returns what the key holds after a conflict, and throws any other error again. */
function currentOf(error: unknown): Entry | null | undefined {
  if (!(error instanceof ConflictError)) throw error;
  return error.current as Entry | null | undefined;
}
