// The tools that write values. All of them commit as HTTP does.

import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import type { Patch } from "../../memory/patch/apply-patch.ts";
import type { OperationResult } from "../../memory/store/store.ts";
import { type Committed, commit, commitWith } from "../../memory/writes/commit.ts";
import { patchValue } from "../../memory/writes/patch-value.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { invalid, keyError, limitText } from "../request/read-request.ts";
import { deleteFields, setFields } from "../response/json.ts";
import { readPart } from "./json-part.ts";
import type { ArgumentTexts, Tool, ToolContext } from "./tool.ts";
import type { ToolOutput } from "./tool-result.ts";

type Holding = { readonly key: string; readonly token: number };

/** Characters of a patched value that a result shows. The agent knows what it changed. */
const SHOWN_CHARS = 4096;

export const set: Tool<{ key: string; value: unknown; expect?: number; ttl?: number; holding?: Holding }> = async (
  context,
  { key, value: parsed, expect, ttl, holding },
  texts,
) => {
  const value = limitText(texts, "value", LIMITS.maxValueBytes);
  const draft = { op: "set", key, value, parsed, expect, ttl } as const;
  const { results } = holding ? await setHolding(context, draft, holding) : await commit(context, [draft]);
  return { json: versionText(results.at(-1)) };
};

/** Checks the claim and writes in one step, so that an agent whose claim has expired writes nothing. */
async function setHolding(
  context: ToolContext,
  draft: Parameters<typeof commit>[1][number],
  { key, token }: Holding,
): Promise<Committed> {
  const tooLong = keyError(key, "/holding/key");
  if (tooLong) throw invalid("input", [tooLong]);
  const pathOf = (operation: number) => (operation === 0 ? "/holding" : "");
  try {
    return await commit(context, [{ op: "check", key, expect: token }, draft], { pathOf });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "conflict") throw error;
    throw error.errors?.[0]?.path.startsWith("/holding") ? claimLost(key) : error;
  }
}

function claimLost(key: string): ApiError {
  const name = JSON.stringify(key);
  const detail = `Your claim on ${name} has expired or was released, so nothing was written. Another agent may do the work now: claim ${name} again before you go on.`;
  return new ApiError("conflict", detail);
}

export const remove: Tool<{ key: string; expect?: number }> = async (context, args) => {
  const { results } = await commit(context, [{ op: "delete", ...args }]);
  return { json: JSON.stringify(deleteFields(results[0])) };
};

export const merge: Tool<{ key: string; expect?: number; ttl?: number }> = async (context, args, texts) => {
  return patched(await patch(context, args, { kind: "merge", text: textOf(texts, "changes") }));
};

export const append: Tool<{ key: string; path?: string; limit?: number }> = async (context, args, texts) => {
  const { path = "", limit } = args;
  const items = textOf(texts, "items");
  return patched(await patch(context, args, { kind: "append", path, items, ...(limit !== undefined && { limit }) }));
};

export const increment: Tool<{ key: string; path?: string }> = async (context, args, texts) => {
  const { path = "" } = args;
  const result = await patch(context, args, { kind: "increment", path, by: textOf(texts, "by") });
  const sum = readPart(result.change?.json ?? "", path);
  return { json: `${versionText(result).slice(0, -1)},"value":${sum}}` };
};

async function patch(
  context: ToolContext,
  { key, expect, ttl }: { key: string; expect?: number; ttl?: number },
  change: Patch,
): Promise<OperationResult> {
  // The result has the value, and a patch shows what it is.
  authorize(context.caller, "read", key);
  const { results } = await commitWith(context, [{ op: "set", key }], (store, namespace) =>
    patchValue(store, namespace, key, change, { expect, ttl, by: context.by }),
  );
  return results[0] as OperationResult;
}

function patched(result: OperationResult): ToolOutput {
  const text = result.change?.json ?? "";
  const shown = text.length <= SHOWN_CHARS ? `"value":${text}` : `"bytes":${new TextEncoder().encode(text).length}`;
  return { json: `${versionText(result).slice(0, -1)},${shown}}` };
}

function versionText(result: OperationResult | undefined): JsonText {
  const { revision, ts } = setFields(result);
  return JSON.stringify({ revision, ts });
}

function textOf(texts: ArgumentTexts, name: string): JsonText {
  const text = texts.get(name);
  if (text === undefined) throw new Error(`the arguments were not checked to have "${name}"`);
  return text;
}
