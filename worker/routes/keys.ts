// Lists the keys that hold a value, by prefix and page by page, and only those that the caller may read.

import { Hono } from "hono";
import { LIMITS } from "../../config/limits.ts";
import type { Principal } from "../../memory/access/principal.ts";
import { openStore } from "../../memory/store/open-store.ts";
import type { KeysPage, KeysQuery, ListedKey, Store } from "../../memory/store/store.ts";
import { encodeDetails } from "../../sdk/protocol.ts";
import type { AppEnv } from "../app-env.ts";
import { OPERATIONS } from "../request/operations.ts";
import { invalid, readQuery } from "../request/read-request.ts";
import { jsonResponse } from "../response/json.ts";

export const keys = new Hono<AppEnv>();

keys.get("/keys", async (c) => {
  const { prefix = "", cursor, limit = "100", values = "false" } = readQuery(c.req.url, OPERATIONS.keys.request);
  const after = cursor === undefined ? "" : readCursor(cursor, prefix);
  const query = { prefix, after, limit: Number(limit), values: values === "true" };
  const page = await readReadable(openStore(c.env), c.var.caller, query);
  const listed = page.keys.map(keyText).join(",");
  const next = page.next === null ? "null" : `"${writeCursor(page.next)}"`;
  return jsonResponse(`{"keys":[${listed}],"cursor":${next}}`);
});

/** If the caller must not read the keys of a page, looks further, up to a limit. */
async function readReadable(store: Store, principal: Principal, query: KeysQuery): Promise<KeysPage> {
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

function keyText({ key, ts, revision, value, ...details }: ListedKey): string {
  const spliced = value === null ? "" : `,"value":${value}`;
  return `{"key":${JSON.stringify(key)},"ts":${ts},"revision":${revision}${spliced}${encodeDetails(details)}}`;
}

function writeCursor(key: string): string {
  return new TextEncoder().encode(key).toBase64({ alphabet: "base64url", omitPadding: true });
}

function readCursor(cursor: string, prefix: string): string {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    const key = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (key !== "" && key.startsWith(prefix)) return key;
  } catch {
    // The cursor is malformed: refused below, like the cursor of another prefix.
  }
  throw invalid("query", [{ path: "/cursor", message: "Must be the `cursor` of a page with the same prefix." }]);
}
