// Applies a patch to a value: pure, on exact JSON text. It knows no store, no schema and no limit on a value's size.

import type { JsonText } from "../../sdk/protocol.ts";
import { WorkExceeded, WorkMeter } from "../schemas/work-meter.ts";
import { addNumbers, isNumber, MAX_SUM_DIGITS } from "./decimal.ts";
import { applyOperations, readOperations } from "./json-patch.ts";
import { parsePointer, showPointer } from "./json-pointer.ts";
import { open } from "./json-tree.ts";
import { merge } from "./merge-patch.ts";
import { conflict, invalid, labeled, Refusal, type RefusalCode } from "./refusal.ts";
import { WorkingCopy } from "./working-copy.ts";

/** A change to a value. Its texts are JSON as the client wrote it, have passed `parseJsonText`, and are trimmed. */
export type Patch =
  /** RFC 7396. */
  | { readonly kind: "merge"; readonly text: JsonText }
  /** RFC 6902. */
  | { readonly kind: "patch"; readonly text: JsonText }
  /** Adds a number, exactly. `path` is a JSON Pointer (RFC 6901); "" is the whole value. */
  | { readonly kind: "increment"; readonly path: string; readonly by: JsonText }
  /** Adds items to the end of an array, and keeps the last `limit` items of the result. */
  | { readonly kind: "append"; readonly path: string; readonly items: JsonText; readonly limit?: number };

export type PatchOutcome =
  | { readonly outcome: "patched"; readonly text: JsonText }
  | { readonly outcome: "refused"; readonly code: RefusalCode; readonly detail: string };

/** Characters that are read in one step of work. */
const READ_IN_A_STEP = 24;
const TOO_MANY_STEPS = "The patch takes too many steps. Use smaller arrays or several patches.";

/**
 * Applies a patch to a key's value: its text, or null if the key does not exist. Never throws for input.
 *
 * Everything that the patch does not touch keeps its text. If no value exists at the path, `merge` starts with an empty
 * object, `increment` with 0, and `append` with []; missing objects on the way are created.
 *
 * The code is `conflict` if the patch could apply to another value: a `test` fails, a path leads nowhere, or the value
 * at the path is not a number or an array. It is `invalid_request` if the patch itself is wrong or exceeds a limit.
 * It is `too_complex` if the meter runs out. `detail` never contains a stored value.
 */
export function applyPatch(value: JsonText | null, patch: Patch, meter = new WorkMeter()): PatchOutcome {
  try {
    meter.spend(1 + ((value?.length ?? 0) + textOf(patch).length) / READ_IN_A_STEP);
    const copy = new WorkingCopy(value, meter);
    apply(copy, patch);
    const text = copy.toText();
    if (text !== null) return { outcome: "patched", text };
    throw value === null ? conflict("The key does not exist.") : invalid("A patch must not remove the whole value.");
  } catch (error) {
    if (error instanceof Refusal) return { outcome: "refused", code: error.code, detail: error.message };
    if (error instanceof WorkExceeded) return { outcome: "refused", code: "too_complex", detail: TOO_MANY_STEPS };
    throw error;
  }
}

function textOf(patch: Patch): JsonText {
  if (patch.kind === "increment") return patch.by;
  return patch.kind === "append" ? patch.items : patch.text;
}

function apply(copy: WorkingCopy, patch: Patch): void {
  switch (patch.kind) {
    case "merge":
      copy.update([], (current) => merge(current, patch.text));
      break;
    case "patch":
      applyOperations(copy, readOperations(patch.text));
      break;
    case "increment":
      labeled(`Increment ${showPointer(patch.path)}`, () => increment(copy, patch.path, patch.by));
      break;
    case "append":
      labeled(`Append ${showPointer(patch.path)}`, () => append(copy, patch.path, patch.items, patch.limit));
      break;
  }
}

function increment(copy: WorkingCopy, path: string, by: JsonText): void {
  if (!isNumber(by)) throw invalid('"by" must be a number.');
  copy.update(parsePointer(path), (current = "0") => {
    if (typeof current !== "string" || !isNumber(current)) throw conflict("The value at this path is not a number.");
    const sum = addNumbers(current, by);
    if (sum === null) throw invalid(`The sum must have at most ${MAX_SUM_DIGITS} digits and fit in a 64-bit float.`);
    return sum;
  });
}

function append(copy: WorkingCopy, path: string, items: JsonText, limit = Number.POSITIVE_INFINITY): void {
  const added = open(items);
  if (!Array.isArray(added)) throw invalid('"items" must be an array.');
  if (!(limit >= 1)) throw invalid('"limit" must be at least 1.');
  copy.update(parsePointer(path), (current = []) => {
    if (!Array.isArray(current)) throw conflict("The value at this path is not an array.");
    return current.concat(added).slice(-limit);
  });
}
