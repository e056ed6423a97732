// Changes part of a value, without undoing what other callers change at the same time.

import { Hono } from "hono";
import { authorize } from "../../memory/access/principal.ts";
import { outline } from "../../memory/json-text.ts";
import type { Patch } from "../../memory/patch/apply-patch.ts";
import { commitWith } from "../../memory/writes/commit.ts";
import { patchValue } from "../../memory/writes/patch-value.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { type AppEnv, committer } from "../app-env.ts";
import { readIdempotency } from "../request/idempotency-key.ts";
import { OPERATIONS } from "../request/operations.ts";
import { invalid, readBody } from "../request/read-request.ts";
import { jsonResponse, setFields } from "../response/json.ts";

export const patch = new Hono<AppEnv>();

const KINDS = ["merge", "patch", "increment", "append"] as const;

patch.post("/patch", async (c) => {
  const { body, members } = await readBody(c, OPERATIONS.patch.request, { levelsAboveValue: 3 });
  const { key, expect, ttl } = body;
  // The response has the value, and a patch can test what it is.
  authorize(c.var.caller, "read", key);
  const idempotency = await readIdempotency(c);
  const writer = committer(c);
  const options = { expect, ttl, by: writer.by, idempotency: idempotency && { ...idempotency, keepsText: true } };
  const change = readPatch(body, members);
  const [result] = await commitWith(writer, [{ op: "set", key }], (store, namespace) =>
    patchValue(store, namespace, key, change, options),
  );
  const { updated, revision, ts } = setFields(result);
  const value = result?.change?.json;
  return jsonResponse(`{"ok":true,"updated":${updated},"revision":${revision},"ts":${ts},"value":${value}}`);
});

function readPatch(
  body: NonNullable<(typeof OPERATIONS.patch.request)["passed"]>,
  members: ReadonlyMap<string, JsonText>,
): Patch {
  const [kind, ...others] = KINDS.filter((name) => members.has(name));
  if (!kind || others.length > 0) {
    throw invalid("body", [{ path: "", message: `Must have exactly one of ${KINDS.join(", ")}.` }]);
  }
  const text = members.get(kind) as JsonText;
  switch (kind) {
    case "merge":
    case "patch":
      return { kind, text };
    case "increment": {
      const by = outline(text).members.get("by") as JsonText;
      return { kind, path: body.increment?.path ?? "", by };
    }
    case "append": {
      const { path = "", limit } = body.append ?? {};
      const items = outline(text).members.get("items") as JsonText;
      return { kind, path, items, ...(limit !== undefined && { limit }) };
    }
  }
}
