// Lists the changes of a key, newest first, as far back as the change log reaches.

import { Hono } from "hono";
import { authorize } from "../../memory/access/principal.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { encodeEvent } from "../../sdk/protocol.ts";
import type { AppEnv } from "../app-env.ts";
import { OPERATIONS } from "../request/operations.ts";
import { readQuery } from "../request/read-request.ts";
import { jsonResponse } from "../response/json.ts";

export const history = new Hono<AppEnv>();

history.get("/history", async (c) => {
  const { key, limit = "100", before = Number.MAX_SAFE_INTEGER } = readQuery(c.req.url, OPERATIONS.history.request);
  authorize(c.var.caller, "read", key);
  const changes = await openStore(c.env).readHistory(c.var.caller.namespace, key, Number(before), Number(limit));
  const last = changes.at(-1);
  // If the oldest change has a previous one, there may be more: large changes come a few at a time.
  const cursor = last && last.previous > 0 ? last.revision : null;
  return jsonResponse(`{"changes":[${changes.map(encodeEvent).join(",")}],"cursor":${cursor}}`);
});
