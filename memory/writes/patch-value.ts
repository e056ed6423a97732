// Changes part of a value: reads it, applies the patch, and writes the result if the key still holds what was read; otherwise
// tries again with what the key holds by then.

import { LIMITS } from "../../config/limits.ts";
import type { CurrentText } from "../../sdk/protocol.ts";
import { isLonger } from "../json-text.ts";
import { applyPatch, type Patch } from "../patch/apply-patch.ts";
import { WorkMeter } from "../schemas/work-meter.ts";
import { entryOf } from "../store/entry-read.ts";
import { currentValue, type Idempotency, type Store, type WriteOptions } from "../store/store.ts";
import type { FinalOutcome } from "./final-outcome.ts";
import { canStart, type SetDraft, writeValues } from "./write-values.ts";

type Options = WriteOptions & {
  /** Patch only this revision; 0 requires that the key holds nothing. By default, patch whatever the key holds. */
  readonly expect?: number | undefined;
  /** Seconds, or `keep` for what is left of the current time to live. @default "keep" */
  readonly ttl?: number | "keep" | undefined;
  /** Counts the work of the patch. @default a meter of its own */
  readonly meter?: WorkMeter | undefined;
};

/** Milliseconds. Pauses are random up to these, so that many callers that patch one key do not collide again. */
const MIN_PAUSE_MS = 4;
const MAX_PAUSE_MS = 250;

/** @throws {ApiError} `store_unavailable`, `rate_limited` */
export async function patchValue(
  store: Store,
  namespace: string,
  key: string,
  patch: Patch,
  { expect, ttl, idempotency, by, meter = new WorkMeter() }: Options,
): Promise<FinalOutcome> {
  const startMs = Date.now();
  let { current, head } = await readCurrent(store, namespace, key);
  for (let attempt = 1; ; attempt++) {
    const draft = { op: "set", key, expect: current?.revision ?? 0, ttl: ttl ?? "keep" } as const;
    if (expect !== undefined && expect !== draft.expect) {
      return (
        (await recall(store, namespace, draft, idempotency)) ?? { outcome: "conflict", operation: 0, current, head }
      );
    }
    meter.begin();
    const { left } = meter;
    const patched = applyPatch(current?.text ?? null, patch, meter);
    if (patched.outcome === "refused") {
      const { code, detail } = patched;
      return (await recall(store, namespace, draft, idempotency)) ?? { outcome: "patch_refused", code, detail };
    }
    if (isLonger(patched.text, LIMITS.maxValueBytes)) {
      const tooLarge = { outcome: "too_large", maxBytes: LIMITS.maxValueBytes } as const;
      return (await recall(store, namespace, draft, idempotency)) ?? tooLarge;
    }
    const value = { value: patched.text, parsed: JSON.parse(patched.text) };
    // Only a caller that may read the key may patch it.
    const mayRead = () => true;
    const outcome = await writeValues(store, namespace, [{ ...draft, ...value }], {
      idempotency,
      by,
      mayRead,
      startMs,
      meter,
    });
    if (outcome.outcome !== "conflict" || expect !== undefined) return outcome;
    ({ current, head } = outcome);
    // What the store just returned is worth one more try. After a pause it is old.
    if (attempt % 2 === 0) {
      await scheduler.wait(Math.random() * Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** attempt));
      ({ current, head } = await readCurrent(store, namespace, key));
    }
    const cost = left - meter.left;
    if (!canStart(store, startMs) || meter.left < cost) return { ...outcome, current, head };
  }
}

/** A repeat gets the outcome of the first write, which found something else. */
async function recall(
  store: Store,
  namespace: string,
  draft: Omit<SetDraft, "value" | "parsed">,
  idempotency: Idempotency | undefined,
): Promise<FinalOutcome | null> {
  if (!idempotency) return null;
  // The store finds the text that the first write wrote.
  return store.recall(namespace, [{ ...draft, value: "", schemaRevision: 0 }], idempotency);
}

async function readCurrent(
  store: Store,
  namespace: string,
  key: string,
): Promise<{ readonly current: CurrentText | null; readonly head: number }> {
  const read = await store.readEntry(namespace, key);
  const entry = entryOf(read);
  return { current: entry && currentValue(entry), head: read.head };
}
