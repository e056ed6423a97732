// Events as a subscriber receives them, and the socket frames that carry them.

import { NetworkError } from "./errors.ts";
import type { Details, JsonSchema } from "./types.ts";

type Common = {
  readonly key: string;
  /** Seconds since the epoch. */
  readonly ts: number;
  readonly revision: number;
  /** Revision of the previous change to the same key; 0 for the first change, and in a snapshot. */
  readonly previous: number;
  /** The name of the client that made the change: its option `agent`. Absent if it has none. */
  readonly by?: string;
};

/** A value was set. */
export type ValueSet<T = unknown> = Common &
  Details & { readonly event: "value"; readonly action: "set"; readonly value: T };
/** A value was deleted, or it expired. */
export type ValueGone = Common & {
  readonly event: "value";
  readonly action: "delete" | "expire";
  readonly value?: undefined;
};
/** A schema was set. */
export type SchemaSet = Common & { readonly event: "schema"; readonly action: "set"; readonly schema: JsonSchema };
/** A schema was deleted. */
export type SchemaGone = Common & { readonly event: "schema"; readonly action: "delete"; readonly schema?: undefined };

/** A change of a value. */
export type ValueEvent<T = unknown> = ValueSet<T> | ValueGone;
/** A change of a schema. */
export type SchemaEvent = SchemaSet | SchemaGone;

/** One applied change. */
export type ChangeEvent<T = unknown> = ValueEvent<T> | SchemaEvent;

/** A response of `/changes`. */
export type ChangesPage = {
  readonly changes: readonly ChangeEvent[];
  readonly revision: number;
  readonly reset: boolean;
};

/** What memX says about the stream of changes itself. */
type Mark =
  | { readonly event: "ready"; readonly revision: number }
  | { readonly event: "reset"; readonly revision: number };

/**
 * Returns `undefined` for an event that this version does not know; the protocol says to ignore it.
 * @throws if the text does not come from memX
 */
export function readFrame(text: string, parse: (text: string) => unknown = JSON.parse): ChangeEvent | Mark | undefined {
  const frame = parse(text) as Partial<ChangeEvent | Mark> | null;
  if (isChange(frame) || isMark(frame)) return frame;
  if (typeof frame?.event !== "string" || [...SUBJECTS, ...MARKS].includes(frame.event))
    throw new Error("not an event");
  return undefined;
}

/** @throws {NetworkError} if the page does not come from memX */
export function checkPage(page: ChangesPage): ChangesPage {
  if (Array.isArray(page.changes) && page.changes.every(isChange) && Number.isSafeInteger(page.revision)) return page;
  throw new NetworkError("network", "A page of changes does not come from memX.");
}

const SUBJECTS: readonly string[] = ["value", "schema"];
const MARKS: readonly string[] = ["ready", "reset"];

function isChange(frame: Partial<ChangeEvent | Mark> | null): frame is ChangeEvent {
  const { event = "", action, key, revision } = (frame ?? {}) as Partial<ChangeEvent>;
  const isWhole = typeof key === "string" && typeof action === "string" && Number.isSafeInteger(revision);
  return isWhole && SUBJECTS.includes(event) && (action !== "set" || event in (frame ?? {}));
}

function isMark(frame: Partial<ChangeEvent | Mark> | null): frame is Mark {
  return MARKS.includes(frame?.event ?? "") && Number.isSafeInteger(frame?.revision);
}
