// Events as a subscriber receives them, and the socket frames that carry them.

import type { JsonSchema } from "./types.ts";

type Common = {
  readonly key: string;
  /** Seconds since the epoch. */
  readonly ts: number;
  readonly revision: number;
  /** Revision of the previous change to the same key; 0 for the first change, and in a snapshot. */
  readonly previous: number;
};

/** A value was set. */
export type ValueSet<T = unknown> = Common & { readonly event: "value"; readonly action: "set"; readonly value: T };
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

type Ready = { readonly event: "ready"; readonly revision: number };
type Reset = { readonly event: "reset"; readonly revision: number };

/** Returns `undefined` for an event that this version does not know; the protocol says to ignore it. */
export function readFrame(text: string): ChangeEvent | Ready | Reset | undefined {
  const frame = JSON.parse(text) as ChangeEvent | Ready | Reset;
  return ["value", "schema", "ready", "reset"].includes(frame.event) ? frame : undefined;
}
