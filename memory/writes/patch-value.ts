// Changes part of a value: reads it, applies the patch, and writes the result if the key still holds what was read; else
// once more, with what it holds by then.

import { LIMITS } from "../../config/limits.ts";
import type { CurrentText } from "../../sdk/protocol.ts";
import { ApiError } from "../errors.ts";
import { isLonger } from "../json-text.ts";
import { applyPatch, type Patch } from "../patch/apply-patch.ts";
import type { Applied, Conflict, Entry, Idempotency, IdReused, Store } from "../store/store.ts";
import { applied, canStart, type SetDraft, writeValues } from "./write-values.ts";

type Options = {
  /** Only this revision is patched, 0 for nothing. Without it, whatever the key holds. */
  readonly expect?: number | undefined;
  /** Seconds. Without it, what is left of the present one. */
  readonly ttl?: number | undefined;
  readonly idempotency?: Idempotency | undefined;
};

/** Milliseconds, at random up to these, so that many who patch one key do not meet again. */
const MIN_PAUSE_MS = 4;
const MAX_PAUSE_MS = 250;

/** @throws {ApiError} `conflict` where the patch does not fit what is there, and as `writeValues` */
export async function patchValue(
  store: Store,
  namespace: string,
  key: string,
  patch: Patch,
  { expect, ttl, idempotency }: Options,
): Promise<Applied | Conflict> {
  const startMs = Date.now();
  let current = toCurrent(await store.readEntry(namespace, key));
  for (let attempt = 1; ; attempt++) {
    const draft = { op: "set", key, expect: current?.revision ?? 0, ttl: ttl ?? "keep" } as const;
    if (expect !== undefined && expect !== draft.expect) {
      const conflict = { outcome: "conflict", operation: 0, current } as const;
      return (await recall(store, namespace, draft, idempotency)) ?? conflict;
    }
    const patched = applyPatch(current?.text ?? null, patch);
    if (patched.outcome === "refused") {
      const earlier = await recall(store, namespace, draft, idempotency);
      if (earlier) return earlier;
      throw new ApiError(patched.code, `The patch can not be applied. ${patched.detail}.`);
    }
    if (isLonger(patched.text, LIMITS.maxValueBytes)) {
      throw new ApiError("too_large", `The value would be larger than ${LIMITS.maxValueBytes} bytes of JSON.`);
    }
    const value = { value: patched.text, parsed: JSON.parse(patched.text) };
    const outcome = await writeValues(store, namespace, [{ ...draft, ...value }], { idempotency, startMs });
    if (outcome.outcome === "applied" || expect !== undefined) return outcome;
    current = outcome.current;
    // What the store just told is worth one more try. After a pause it is old.
    if (attempt % 2 === 0) {
      await scheduler.wait(Math.random() * Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** attempt));
      current = toCurrent(await store.readEntry(namespace, key));
    }
    if (!canStart(startMs)) return { ...outcome, current };
  }
}

/** A repeat is answered as the first one was, which found something else. */
async function recall(
  store: Store,
  namespace: string,
  draft: Omit<SetDraft, "value" | "parsed">,
  idempotency: Idempotency | undefined,
): Promise<Applied | undefined> {
  if (!idempotency) return undefined;
  // The record has kept the text.
  const operation = { ...draft, value: "", schemaRevision: 0 };
  const earlier: Applied | IdReused | null = await store.recall(namespace, [operation], idempotency);
  return earlier ? (applied(earlier) as Applied) : undefined;
}

function toCurrent(entry: Entry | null): CurrentText | null {
  return entry && { text: entry.value, ts: entry.ts, revision: entry.revision };
}
