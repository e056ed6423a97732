// Lists keys for a caller that may not read all of them.

import { LIMITS } from "../../config/limits.ts";
import type { KeysPage, KeysQuery, ListedKey, Store } from "../store/store.ts";
import type { Principal } from "./principal.ts";

/** If the caller must not read the keys of a page, looks further, up to a limit. */
export async function readReadableKeys(store: Store, principal: Principal, query: KeysQuery): Promise<KeysPage> {
  const found: ListedKey[] = [];
  let { after, limit } = query;
  for (let scanned = 0; scanned < LIMITS.maxScannedKeys; scanned += limit) {
    // Keys that the caller must not read seldom come alone.
    if (scanned > 0) limit = LIMITS.maxKeys;
    const page = await store.readKeys(principal.namespace, { ...query, after, limit });
    const readable = page.keys.filter(({ key }) => principal.allows("read", key));
    const room = query.limit - found.length;
    found.push(...readable.slice(0, room));
    if (readable.length > room) return { keys: found, next: found.at(-1)?.key ?? null };
    if (page.next === null || found.length === query.limit) return { keys: found, next: page.next };
    after = page.next;
    if (query.values && found.length > 0) break;
  }
  return { keys: found, next: after };
}
