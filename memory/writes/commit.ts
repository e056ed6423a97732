// The one way of a write, whichever door it came through: checks that the caller may write, writes, announces the changes, and
// returns a result for each operation. Knows nothing of HTTP.

import { authorize, type Caller } from "../access/principal.ts";
import { announce } from "../channels/publish.ts";
import type { Deadline } from "../deadline.ts";
import { isMetered, METRICS } from "../metrics.ts";
import type { WorkMeter } from "../schemas/work-meter.ts";
import type { Applied, Idempotency, Operation, OperationResult, Store } from "../store/store.ts";
import { type FinalOutcome, refusalError } from "./final-outcome.ts";
import { type Draft, writeValues } from "./write-values.ts";

/** Who writes, and what carries it out. */
export type Committer = {
  readonly env: Env;
  readonly executionCtx: Pick<ExecutionContext, "waitUntil">;
  readonly caller: Caller;
  readonly store: Store;
  /** Bounds how long the caller waits. @default a timer for each write */
  readonly deadline?: Deadline | undefined;
  /** Counts the work of all that it commits. @default a meter for each write */
  readonly meter?: WorkMeter | undefined;
  /** The name that the caller gave itself. */
  readonly by?: string | undefined;
};

/** What a write that was applied came to. */
export type Committed = {
  /** One for each operation. */
  readonly results: readonly OperationResult[];
  /** The namespace is at least at this revision, and all that the results say comes before or with it. */
  readonly revision: number;
};

export type CommitOptions = {
  readonly idempotency?: Idempotency | undefined;
  /** JSON Pointer (RFC 6901) of an operation in the request, if the request has several. */
  readonly pathOf?: (operation: number) => string;
};

/**
 * Commits all operations or none.
 * @throws {ApiError} `forbidden`, `schema_violation`, `conflict`, `invalid_request`, `quota_exceeded`, `store_unavailable`
 */
export function commit(
  committer: Committer,
  drafts: readonly Draft[],
  { idempotency, pathOf }: CommitOptions = {},
): Promise<Committed> {
  const { by, caller, meter } = committer;
  const mayRead = (key: string) => caller.allows("read", key);
  const write = (store: Store, namespace: string) =>
    writeValues(store, namespace, drafts, { idempotency, by, mayRead, ...(meter && { meter }) });
  return commitWith(committer, drafts, write, pathOf);
}

/**
 * Commits operations whose values `write` makes itself, such as a patch.
 * @throws {ApiError} as `commit`, and what `write` refuses with
 */
export async function commitWith(
  { env, executionCtx, caller, store, deadline }: Committer,
  operations: readonly Pick<Operation, "op" | "key">[],
  write: (store: Store, namespace: string) => Promise<FinalOutcome>,
  pathOf?: (operation: number) => string,
): Promise<Committed> {
  // A check changes nothing, and its result says what the key holds.
  for (const { op, key } of operations) authorize(caller, op === "check" ? "read" : "write", key);
  const written = write(store, caller.namespace);
  const outcome = await announce(env, executionCtx, caller.namespace, written, deadline);
  if (outcome.outcome === "applied") {
    if (isMetered(env)) countChanges(outcome);
    return committed(outcome);
  }
  throw refusalError(outcome, { caller, operations, pathOf });
}

function countChanges({ results, head }: Applied): void {
  // A repeat was counted when it was new.
  if (head === undefined) return;
  for (const { change } of results) {
    if (change === null) continue;
    METRICS.changes.add(change.event, change.action);
    if (change.created === change.ts) METRICS.keysCreated.add();
  }
}

function committed({ results, head }: Applied): Committed {
  // A repeat tells what the first write found, which the namespace has not gone back behind.
  const revisions = results.map((result) => (result.change ?? result).revision);
  return { results, revision: head ?? Math.max(...revisions) };
}
