// JSON responses. A stored value or schema is spliced in as text, never parsed and printed again.

import { requestVariables } from "../../memory/request-context.ts";
import type { EntryRead, ListedKey, OperationResult } from "../../memory/store/store.ts";
import { encodeDetails, type JsonText, REVISION_HEADER } from "../../sdk/protocol.ts";
import type { CallResult } from "../calls/call.ts";
import { jsonHeaders } from "./headers.ts";

/** Characters of a response that cost about a microsecond: the store reads them, and they are copied several times. */
const SENT_IN_A_STEP = 100;

export function jsonResponse(text: JsonText): Response {
  countSent(text.length);
  return new Response(text, { headers: jsonHeaders() });
}

/** The response of a call. */
export function callResponse({ text, revision }: CallResult): Response {
  return withRevision(jsonResponse(text), revision);
}

function withRevision(response: Response, revision: number): Response {
  response.headers.set(REVISION_HEADER, String(revision));
  return response;
}

/** Takes what a response costs from the namespace's share of time. */
export function countSent(chars: number): void {
  requestVariables().workShare?.spend(chars / SENT_IN_A_STEP);
}

/** An entry of a key, or the JSON `null`. 304 without a body if the caller already has the entry's revision. */
export function entryResponse({ text, revision, head }: EntryRead, ifNoneMatch: string | undefined): Response {
  if (revision === 0) return withRevision(jsonResponse(text), head);
  // A revision of a namespace has one value and one expiry, so it is a strong validator (RFC 9110 §8.8.1).
  const etag = `"${revision}"`;
  const known = ifNoneMatch?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  const unchanged = known?.some((tag) => tag === etag || tag === "*");
  const response = unchanged ? notModified() : jsonResponse(text);
  response.headers.set("etag", etag);
  return withRevision(response, head);
}

function notModified(): Response {
  const response = new Response(null, { status: 304, headers: jsonHeaders() });
  response.headers.delete("content-type");
  return response;
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
export function listedKeyText({ key, ts, revision, value, ...details }: ListedKey): string {
  const spliced = value === null ? "" : `,"value":${value}`;
  return `{"key":${JSON.stringify(key)},"ts":${ts},"revision":${revision}${spliced}${encodeDetails(details)}}`;
}

function versionOf(result: OperationResult | undefined): { revision: number; ts: number } {
  if (!result) throw new Error("the store returned no result for an operation");
  return result.change ?? result;
}
