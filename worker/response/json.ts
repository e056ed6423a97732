// JSON responses. A stored value or schema is spliced in as text, never parsed and printed again.

import type { ListedKey, OperationResult } from "../../memory/store/store.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { jsonHeaders } from "./headers.ts";

/** @param text `null` for the JSON `null` */
export function jsonResponse(text: JsonText | null): Response {
  return new Response(text ?? "null", { headers: jsonHeaders() });
}

/** Fields of a set. `updated` is false if the key has a later `ts` than the caller gave: then these are the key's own. */
export function setFields(result: OperationResult | undefined): { updated: boolean; revision: number; ts: number } {
  const { revision, ts } = versionOf(result);
  return { updated: result?.change != null, revision, ts };
}

/** Fields of a delete. `deleted` is false, and `revision` 0, if the key held nothing. */
export function deleteFields(result: OperationResult | undefined): { deleted: boolean; revision: number } {
  return { deleted: result?.change != null, revision: versionOf(result).revision };
}

/** Fields of a check: the revision that it found. */
export function checkFields(result: OperationResult | undefined): { revision: number } {
  return { revision: versionOf(result).revision };
}

/** A key of a listing. */
export function listedKeyText({ key, ts, revision, value }: ListedKey): string {
  const spliced = value === null ? "" : `,"value":${value}`;
  return `{"key":${JSON.stringify(key)},"ts":${ts},"revision":${revision}${spliced}}`;
}

function versionOf(result: OperationResult | undefined): { revision: number; ts: number } {
  if (!result) throw new Error("the store returned no result for an operation");
  return result.change ?? result;
}
