// What every call gets and returns, whichever way it came: an HTTP request, a message of a socket, or an operation of a bulk.

import type { JsonDocument } from "../../memory/json-text.ts";
import type { Idempotency } from "../../memory/store/store.ts";
import type { Committer } from "../../memory/writes/commit.ts";
import type { JsonText } from "../../sdk/protocol.ts";

/** Who reads, and from which store. */
export type Reader = Pick<Committer, "env" | "caller" | "store">;

/** A body that has the shape of its operation, and the text of each of its members. */
export type Body<T> = { readonly body: T; readonly members: JsonDocument["members"] };

/** Returns the body of the response. @throws {ApiError} */
export type WriteCall<T> = (writer: Committer, body: Body<T>, idempotency?: Idempotency) => Promise<JsonText>;

/** Returns the body of the response. @throws {ApiError} */
export type ReadCall<T> = (reader: Reader, body: T) => Promise<JsonText>;

/** What passes the check of an operation. */
export type Passed<O extends { readonly request: { readonly passed?: unknown } }> = NonNullable<O["request"]["passed"]>;
