// The memX key of each item of a LangGraph store: the prefix, then the labels of the namespace and the item's key with slashes
// between them. Python's memx_sdk.langgraph does the same.

import type { MatchCondition } from "@langchain/langgraph-checkpoint";
import { decodeSegments, encodeSegment } from "./segments.ts";

/** An item's place in a store. */
export type Place = { readonly namespace: string[]; readonly key: string };

/** What the keys of all items in a namespace, and in the namespaces below it, begin with. */
export function namespaceStart(prefix: string, namespace: readonly string[]): string {
  return prefix + namespace.map((label) => `${encodeSegment(label)}/`).join("");
}

export function itemKey(prefix: string, { namespace, key }: Place): string {
  return namespaceStart(prefix, namespace) + encodeSegment(key);
}

/** The key of an item's lease. No item has this key, because a segment has no `%l`. */
export function leaseKey(prefix: string, place: Place): string {
  return `${itemKey(prefix, place)}/%lease`;
}

/** Returns `undefined` for a key that is not the key of an item: another program wrote it. */
export function readItemKey(prefix: string, name: string): Place | undefined {
  const segments = decodeSegments(name.slice(prefix.length)) ?? [];
  const place = { namespace: segments.slice(0, -1), key: segments.at(-1) ?? "" };
  const isPlace = place.namespace.length > 0 && place.namespace.every((label) => label !== "");
  return isPlace ? place : undefined;
}

/** The labels that every matching namespace begins with. */
export function fixedPart(conditions: readonly MatchCondition[]): string[] {
  const starts = conditions.filter(({ matchType }) => matchType === "prefix").map(({ path }) => path);
  const fixed = starts.map((path) => (path.includes("*") ? path.slice(0, path.indexOf("*")) : path));
  return fixed.reduce((longest, path) => (path.length > longest.length ? path : longest), []);
}

export function isMatch({ matchType, path }: MatchCondition, namespace: readonly string[]): boolean {
  const start = matchType === "prefix" ? 0 : namespace.length - path.length;
  if (path.length > namespace.length) return false;
  return path.every((label, at) => label === "*" || label === namespace[start + at]);
}
