// Calls about values: write one, read one or several, change part of one, delete one.

import { LIMITS } from "../../config/limits.ts";
import { authorize } from "../../memory/access/principal.ts";
import { ApiError } from "../../memory/errors.ts";
import { encodeEntry } from "../../memory/store/entry-read.ts";
import type { EntryRead } from "../../memory/store/store.ts";
import { beginWork } from "../../memory/work-share.ts";
import { commit, commitWith } from "../../memory/writes/commit.ts";
import { patchValue } from "../../memory/writes/patch-value.ts";
import { requireFresh } from "../request/freshness.ts";
import type { OPERATIONS } from "../request/operations.ts";
import { type PatchRequest, patchOf } from "../request/read-patch.ts";
import { invalid, keyError, limitText } from "../request/read-request.ts";
import { deleteFields, setFields } from "../response/json.ts";
import type { Passed, ReadCall, Reader, WriteCall } from "./call.ts";

export const setCall: WriteCall<Passed<typeof OPERATIONS.set>> = async (writer, { body, members }, idempotency) => {
  const { key, value: parsed, ts, expect, ttl } = body;
  const value = limitText(members, "value", LIMITS.maxValueBytes);
  const draft = { op: "set", key, value, parsed, ts, expect, ttl } as const;
  const { results, revision } = await commit(writer, [draft], { idempotency });
  return { text: JSON.stringify({ ok: true, ...setFields(results[0]) }), revision };
};

/** @throws {ApiError} `forbidden`, `revision_ahead`, `store_unavailable` */
export async function readEntry(
  { caller, store }: Reader,
  { key, ...freshness }: Passed<typeof OPERATIONS.get>,
): Promise<EntryRead> {
  authorize(caller, "read", key);
  const read = await store.readEntry(caller.namespace, key);
  requireFresh(read.head, freshness);
  return read;
}

export const getCall: ReadCall<Passed<typeof OPERATIONS.get>> = async (reader, body) => {
  const { text, head } = await readEntry(reader, body);
  return { text, revision: head };
};

export const readCall: ReadCall<Passed<typeof OPERATIONS.read>> = async ({ caller, store }, { keys, ...freshness }) => {
  const errors = keys.flatMap((key, index) => keyError(key, `/keys/${index}`) ?? []);
  if (errors.length > 0) throw invalid("body", errors);
  for (const key of keys) authorize(caller, "read", key);
  beginWork(keys.length);
  const read = await store.readMany(caller.namespace, keys);
  if (read.outcome === "too_large") {
    const detail = `The values of these keys are larger than ${LIMITS.maxReadBytes} bytes together. Read fewer keys at a time.`;
    throw new ApiError("too_large", detail);
  }
  requireFresh(read.head, freshness);
  const text = `{"entries":[${read.entries.map(encodeEntry).join(",")}],"revision":${read.head}}`;
  return { text, revision: read.head };
};

export const deleteCall: WriteCall<Passed<typeof OPERATIONS.delete>> = async (writer, { body }, idempotency) => {
  const { results, revision } = await commit(writer, [{ op: "delete", ...body }], { idempotency });
  return { text: JSON.stringify({ ok: true, ...deleteFields(results[0]) }), revision };
};

export const patchCall: WriteCall<Passed<typeof OPERATIONS.patch>> = async (writer, { body, members }, idempotency) => {
  const { key, expect, ttl } = body;
  return patch(writer, { key, expect, ttl, patch: patchOf(body, members) }, idempotency);
};

/** Changes part of a value, without undoing what other callers change at the same time. */
export async function patch(
  writer: Parameters<typeof patchCall>[0],
  { key, expect, ttl, patch: change }: PatchRequest,
  idempotency: Parameters<typeof patchCall>[2],
): ReturnType<typeof patchCall> {
  const { by, meter, caller } = writer;
  // The response has the value, and a patch can test what it is.
  authorize(caller, "read", key);
  const options = { expect, ttl, by, meter, idempotency: idempotency && { ...idempotency, needsText: true } };
  const { results, revision: head } = await commitWith(writer, [{ op: "set", key }], (store, namespace) =>
    patchValue(store, namespace, key, change, options),
  );
  const [result] = results;
  const { updated, revision, ts } = setFields(result);
  const text = `{"ok":true,"updated":${updated},"revision":${revision},"ts":${ts},"value":${result?.change?.json}}`;
  return { text, revision: head };
}
