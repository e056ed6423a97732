// Lists the keys that hold a value, by prefix and page by page, and only those that the caller may read.

import { Hono } from "hono";
import { readReadableKeys } from "../../memory/access/readable-keys.ts";
import { openStore } from "../../memory/store/open-store.ts";
import type { AppEnv } from "../app-env.ts";
import { readCursor, writeCursor } from "../request/keys-cursor.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readQuery } from "../request/read-request.ts";
import { jsonResponse, listedKeyText } from "../response/json.ts";

export const keys = new Hono<AppEnv>();

keys.get("/keys", async (c) => {
  const { prefix = "", cursor, limit = "100", values = "false" } = readQuery(c.req.url, OPERATIONS.keys.request);
  const after = cursor === undefined ? "" : readCursor(cursor, prefix);
  const query = { prefix, after, limit: Number(limit), values: values === "true" };
  const page = await readReadableKeys(openStore(c.env), c.var.caller, query);
  const listed = page.keys.map(listedKeyText).join(",");
  const next = page.next === null ? "null" : `"${writeCursor(page.next)}"`;
  return jsonResponse(`{"keys":[${listed}],"cursor":${next}}`);
});
