// What every call gets and returns, whichever way it came: an HTTP request, a message of a socket, or an operation of a bulk.

import type { JsonDocument } from "../../memory/json-text.ts";
import type { Idempotency } from "../../memory/store/store.ts";
import type { Committer } from "../../memory/writes/commit.ts";
import type { JsonText } from "../../sdk/protocol.ts";

/** Who reads, and from which store. */
export type Reader = Pick<Committer, "env" | "caller" | "store">;

/** A body that has the shape of its operation, and the text of each of its members. */
export type Body<T> = { readonly body: T; readonly members: JsonDocument["members"] };

/** What a call came to. */
export type CallResult = {
  /** The body of the response. */
  readonly text: JsonText;
  /** The namespace is at least at this revision, and all that the body says comes before or with it. */
  readonly revision: number;
};

/** @throws {ApiError} */
export type WriteCall<T> = (writer: Committer, body: Body<T>, idempotency?: Idempotency) => Promise<CallResult>;

/** @throws {ApiError} */
export type ReadCall<T> = (reader: Reader, body: T) => Promise<CallResult>;

/** What passes the check of an operation. */
export type Passed<O extends { readonly request: { readonly passed?: unknown } }> = NonNullable<O["request"]["passed"]>;
