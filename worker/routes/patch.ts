// Changes part of a value, without undoing what other callers change at the same time.

import { Hono } from "hono";
import { authorize } from "../../memory/access/principal.ts";
import { commitWith } from "../../memory/writes/commit.ts";
import { patchValue } from "../../memory/writes/patch-value.ts";
import { type AppEnv, committer } from "../app-env.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { readPatch } from "../request/read-patch.ts";
import { jsonResponse, setFields } from "../response/json.ts";

export const patch = new Hono<AppEnv>();

patch.post("/patch", async (c) => {
  const { key, expect, ttl, patch: change } = await readPatch(c);
  // The response has the value, and a patch can test what it is.
  authorize(c.var.caller, "read", key);
  const idempotency = await readIdempotency(c);
  const writer = committer(c);
  const options = { expect, ttl, by: writer.by, idempotency: idempotency && { ...idempotency, keepsText: true } };
  const [result] = await commitWith(writer, [{ op: "set", key }], (store, namespace) =>
    patchValue(store, namespace, key, change, options),
  );
  const { updated, revision, ts } = setFields(result);
  const value = result?.change?.json;
  return jsonResponse(`{"ok":true,"updated":${updated},"revision":${revision},"ts":${ts},"value":${value}}`);
});
