// Events as a subscriber gets them, and the frames of a socket that carry them.

import type { JsonSchema } from "./types.ts";

type Common = {
  readonly key: string;
  /** Seconds since the epoch. */
  readonly ts: number;
  readonly revision: number;
  /** Revision of the change before it to the same key; 0 for the first, and in a snapshot. */
  readonly previous: number;
};

export type ValueSet<T = unknown> = Common & { readonly event: "value"; readonly action: "set"; readonly value: T };
export type ValueGone = Common & {
  readonly event: "value";
  readonly action: "delete" | "expire";
  readonly value?: undefined;
};
export type SchemaSet = Common & { readonly event: "schema"; readonly action: "set"; readonly schema: JsonSchema };
export type SchemaGone = Common & { readonly event: "schema"; readonly action: "delete"; readonly schema?: undefined };

export type ValueEvent<T = unknown> = ValueSet<T> | ValueGone;
export type SchemaEvent = SchemaSet | SchemaGone;

/** One applied change. */
export type ChangeEvent<T = unknown> = ValueEvent<T> | SchemaEvent;

/** What an answer of `/changes` holds. */
export type ChangesPage = {
  readonly changes: readonly ChangeEvent[];
  readonly revision: number;
  readonly reset: boolean;
};

type Ready = { readonly event: "ready"; readonly revision: number };
type Reset = { readonly event: "reset"; readonly revision: number };

/** `undefined` for what this version does not know, as the protocol asks. */
export function readFrame(text: string): ChangeEvent | Ready | Reset | undefined {
  const frame = JSON.parse(text) as ChangeEvent | Ready | Reset;
  return ["value", "schema", "ready", "reset"].includes(frame.event) ? frame : undefined;
}
