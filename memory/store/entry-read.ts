// The value of a key as responses carry it, and its parts.

import { encodeCurrent, type JsonText } from "../../sdk/protocol.ts";
import { currentValue, type Entry, type EntryRead } from "./store.ts";

/** An entry as responses carry it, `null` if the key holds nothing. */
export function encodeEntry(entry: Entry | null): JsonText {
  return entry === null ? "null" : encodeCurrent("value", currentValue(entry));
}

/** @param head revision of the namespace's last change at the moment of the read */
export function entryRead(entry: Entry | null, head: number): EntryRead {
  const { value, revision } = entry ?? { value: "", revision: 0 };
  return { text: encodeEntry(entry), valueLength: value.length, revision, head };
}

export function entryOf({ text, valueLength, revision }: EntryRead): Entry | null {
  if (revision === 0) return null;
  const start = '{"value":'.length;
  const end = start + valueLength;
  // After the comma.
  return { value: text.slice(start, end), ...JSON.parse(`{${text.slice(end + 1)}`) };
}
