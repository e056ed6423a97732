// Values as MCP resources, for hosts in which a person picks what the model reads. A resource is the whole value.

import type { ListResourcesResult, ReadResourceResult } from "@modelcontextprotocol/server";
import { authorize, type Caller } from "../../memory/access/principal.ts";
import { readReadableKeys } from "../../memory/access/readable-keys.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { readCursor, writeCursor } from "../request/keys-cursor.ts";
import { OPERATIONS } from "../request/operations.ts";
import { checked, decodePercent } from "../request/read-request.ts";
import { INVALID_PARAMS, RpcError } from "./rpc-error.ts";

const PREFIX = "memx://kv/";
const PAGE = 100;
const mimeType = "application/json";

export const RESOURCE_TEMPLATES = [
  {
    name: "value",
    title: "A value",
    description: "The value of a key, as JSON. Percent-encode the key.",
    uriTemplate: `${PREFIX}{+key}`,
    mimeType,
  },
];

/** @throws {ApiError} `invalid_request`, `store_unavailable` */
export async function listResources(env: Env, caller: Caller, cursor?: string): Promise<ListResourcesResult> {
  const listing = { env, caller, prefix: "" };
  const after = await readCursor(listing, cursor, "request");
  const page = await readReadableKeys(openStore(env), caller, { prefix: "", after, limit: PAGE, values: false });
  const next = await writeCursor(listing, page.next, page.keys.at(-1)?.key);
  return {
    resources: page.keys.map(({ key }) => ({ uri: PREFIX + encodeURIComponent(key), name: key, mimeType })),
    ...(next !== null && { nextCursor: next }),
  };
}

/**
 * @throws {ApiError} `invalid_request`, `forbidden`, `store_unavailable`
 * @throws {RpcError} if there is no such resource
 */
export async function readResource(env: Env, caller: Caller, uri: string): Promise<ReadResourceResult> {
  if (!uri.startsWith(PREFIX)) throw notFound();
  const { key } = checked(OPERATIONS.get.request, { key: decodePercent(uri.slice(PREFIX.length)) }, "URI") as {
    key: string;
  };
  authorize(caller, "read", key);
  const entry = entryOf(await openStore(env).readEntry(caller.namespace, key));
  if (!entry) throw notFound();
  const { value: text, revision, ts } = entry;
  return { contents: [{ uri, mimeType, text, _meta: { "memx/revision": revision, "memx/ts": ts } }] };
}

function notFound(): RpcError {
  return new RpcError(INVALID_PARAMS, "There is no such resource.");
}
