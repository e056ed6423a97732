// Lists keys for a caller that may not read all of them.

import { LIMITS } from "../../config/limits.ts";
import { requestVariables } from "../request-context.ts";
import type { KeysPage, KeysQuery, ListedKey, Store } from "../store/store.ts";
import { beginWork } from "../work-share.ts";
import type { Principal } from "./principal.ts";

/** Steps of a page, and of each key that the store reads for it, and the characters of values that it reads in one. */
const PAGE_STEPS = 2_000;
const KEY_STEPS = 12;
const READ_IN_A_STEP = 100;

/**
 * Looks at keys until enough of them are readable, up to a limit. `next` may be a key that the caller must not read, so only a
 * sealed cursor may carry it.
 * @throws {ApiError} `store_unavailable`, `rate_limited`
 */
export async function readReadableKeys(store: Store, principal: Principal, query: KeysQuery): Promise<KeysPage> {
  beginWork(PAGE_STEPS);
  const found: ListedKey[] = [];
  const read = (more: Partial<KeysQuery>) => store.readKeys(principal.namespace, { ...query, ...more });
  const most = Math.min(LIMITS.maxScannedKeys, Math.ceil(LIMITS.maxScopeTests / Math.max(1, principal.read.length)));
  let { after, values } = query;
  let head = 0;
  for (let scanned = 0; scanned < most; ) {
    // Keys that the caller must not read seldom come alone.
    const limit = Math.min(scanned === 0 ? query.limit : LIMITS.maxKeys, most - scanned);
    const page = await read({ after, limit, values });
    head = page.head;
    scanned += limit;
    const steps = page.keys.reduce((sum, { value }) => sum + KEY_STEPS + (value?.length ?? 0) / READ_IN_A_STEP, 0);
    requestVariables().workShare?.spend(steps);
    const readable = page.keys.filter(({ key }) => principal.allows("read", key));
    if (query.values && !values && readable[0]) {
      // The values are read from the key before the first readable one, because those of the others are of no use.
      const before = page.keys[page.keys.indexOf(readable[0]) - 1];
      after = before?.key ?? after;
      values = true;
      continue;
    }
    const room = query.limit - found.length;
    found.push(...readable.slice(0, room));
    if (readable.length > room) return { keys: found, next: found.at(-1)?.key ?? null, head };
    if (page.next === null || found.length === query.limit) return { keys: found, next: page.next, head };
    after = page.next;
    if (query.values && found.length > 0) break;
    values = false;
  }
  return { keys: found, next: after, head };
}
