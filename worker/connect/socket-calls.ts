// The calls that a socket takes: the operation whose request each one has, and what it does.

import type { Idempotency } from "../../memory/store/store.ts";
import type { Committer } from "../../memory/writes/commit.ts";
import type { SOCKET_CALLS } from "../../sdk/protocol.ts";
import { batchCall } from "../calls/batch-call.ts";
import { bulkCall } from "../calls/bulk-call.ts";
import type { Body, CallResult, ReadCall, WriteCall } from "../calls/call.ts";
import { historyCall, keysCall } from "../calls/list-calls.ts";
import { deleteSchemaCall, getSchemaCall, setSchemaCall } from "../calls/schema-calls.ts";
import { deleteCall, getCall, patchCall, readCall, setCall } from "../calls/value-calls.ts";
import { type ApiOperation, OPERATIONS } from "../request/operations.ts";

export type CallName = keyof typeof SOCKET_CALLS;

type SocketCall = {
  readonly operation: ApiOperation;
  readonly kind: "read" | "write";
  /** Which calls it shares a bound with: those that hold the values of many keys, or those that hold a value while they write. */
  readonly gate?: "wide" | "large";
  readonly run: (writer: Committer, body: Body<never>, idempotency?: Idempotency) => Promise<CallResult>;
};

const write = <T>(operation: ApiOperation, run: WriteCall<T>): SocketCall => ({ operation, kind: "write", run });
const read = <T>(operation: ApiOperation, run: ReadCall<T>, gate?: SocketCall["gate"]): SocketCall => ({
  operation,
  kind: "read",
  ...(gate && { gate }),
  run: (reader, { body }) => run(reader, body),
});

const CALLS: Readonly<Record<CallName, SocketCall>> = {
  set: write(OPERATIONS.set, setCall),
  get: read(OPERATIONS.get, getCall),
  read: read(OPERATIONS.read, readCall, "wide"),
  delete: write(OPERATIONS.delete, deleteCall),
  patch: { ...write(OPERATIONS.patch, patchCall), gate: "large" },
  batch: write(OPERATIONS.batch, batchCall),
  bulk: { ...write(OPERATIONS.bulk, bulkCall), gate: "wide" },
  keys: read(OPERATIONS.keys, keysCall, "wide"),
  history: read(OPERATIONS.history, historyCall, "wide"),
  schema_get: read(OPERATIONS.getSchema, getSchemaCall),
  schema_set: write(OPERATIONS.setSchema, setSchemaCall),
  schema_delete: write(OPERATIONS.deleteSchema, deleteSchemaCall),
};

export function socketCall(name: CallName): SocketCall {
  return CALLS[name];
}
