// Calls that list: the keys that hold a value, by prefix and page by page, and the changes of a key.

import { authorize } from "../../memory/access/principal.ts";
import { readReadableKeys } from "../../memory/access/readable-keys.ts";
import { beginWork, HISTORY_STEPS } from "../../memory/work-share.ts";
import { encodeEvent } from "../../sdk/protocol.ts";
import { requireFresh } from "../request/freshness.ts";
import { readCursor, writeCursor } from "../request/keys-cursor.ts";
import type { OPERATIONS } from "../request/operations.ts";
import { listedKeyText } from "../response/json.ts";
import type { Passed, ReadCall } from "./call.ts";

/** Only the keys that the caller may read. */
export const keysCall: ReadCall<Passed<typeof OPERATIONS.keys>> = async ({ env, caller, store }, body) => {
  const { prefix = "", cursor, limit = "100", values = "false", ...freshness } = body;
  const listing = { env, caller, prefix };
  const after = await readCursor(listing, cursor);
  const query = { prefix, after, limit: Number(limit), values: values === "true" };
  const page = await readReadableKeys(store, caller, query);
  requireFresh(page.head, freshness);
  const listed = page.keys.map(listedKeyText).join(",");
  const next = await writeCursor(listing, page.next, page.keys.at(-1)?.key);
  return { text: `{"keys":[${listed}],"cursor":${JSON.stringify(next)}}`, revision: page.head };
};

/** Newest first, as far back as the change log reaches. */
export const historyCall: ReadCall<Passed<typeof OPERATIONS.history>> = async ({ caller, store }, body) => {
  const { key, limit = "100", before = Number.MAX_SAFE_INTEGER } = body;
  authorize(caller, "read", key);
  beginWork(HISTORY_STEPS);
  const { changes, head } = await store.readHistory(caller.namespace, key, Number(before), Number(limit));
  const last = changes.at(-1);
  // If the oldest change has a previous one, there may be more: large changes come a few at a time.
  const cursor = last && last.previous > 0 ? last.revision : null;
  return { text: `{"changes":[${changes.map(encodeEvent).join(",")}],"cursor":${cursor}}`, revision: head };
};
