// History: what happened to a key, as far back as the log reaches.

import { Hono } from "hono";
import { authorize } from "../../memory/access/principal.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { encodeEvent } from "../../sdk/protocol.ts";
import type { AppEnv } from "../app-env.ts";
import { readQuery } from "../request/read-request.ts";
import { historyQuery } from "../request/shapes.ts";
import { jsonResponse } from "../response/json.ts";

export const history = new Hono<AppEnv>();

history.get("/history", async (c) => {
  const { key, limit = "100", before = Number.MAX_SAFE_INTEGER } = readQuery(c.req.url, historyQuery);
  authorize(c.var.caller, "read", key);
  const changes = await openStore(c.env).readHistory(c.var.caller.namespace, key, Number(before), Number(limit));
  const last = changes.at(-1);
  // Where the oldest has one before it, there may be more: large changes come a few at a time.
  const cursor = last && last.previous > 0 ? last.revision : null;
  return jsonResponse(`{"changes":[${changes.map(encodeEvent).join(",")}],"cursor":${cursor}}`);
});
