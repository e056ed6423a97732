// Everything that a store has in a namespace, read as a channel reads a snapshot: names first, then what they have.

import type { Store, StoredKey } from "../../memory/store/store.ts";

/** Only needs these two calls of the store. */
type Reader = Pick<Store, "readNames" | "readEntries">;

export async function readStored(store: Reader, namespace: string, after = ""): Promise<StoredKey[]> {
  const stored: StoredKey[] = [];
  for (let from: string | null = after; from !== null; ) {
    const page: Awaited<ReturnType<Reader["readNames"]>> = await store.readNames(namespace, from);
    const keys = page.names.map(({ key }) => key);
    while (keys.length > 0) {
      const entries = await store.readEntries(namespace, keys);
      stored.push(...entries);
      keys.splice(0, entries.length);
    }
    from = page.next;
  }
  return stored;
}
