// A store for a caller that makes many calls at once: the writes and small reads of one turn of the event loop go to the
// store together. Each socket and each request needs one of its own, because a promise of the platform belongs to its request.

import { LIMITS } from "../../config/limits.ts";
import { type Deadline, sharedDeadline } from "../deadline.ts";
import { type ApiError, storeUnavailable } from "../errors.ts";
import type { EntryRead, Operation, SchemaRead, Store, StoreCall, WriteOptions, WriteOutcome } from "./store.ts";

/** Requests to the store at a time. The platform allows a request six connections. */
const MAX_RUNNING = 4;

/** Microtasks within which all calls of a message, which take the same steps, have come to the store. */
const HOPS = 30;

/** Bytes that the texts of one request to the store, and what their refusals may quote, take together. */
const MAX_WEIGHT = 8 * 1024 * 1024;

export type TurnStore = Store & {
  /** Rejects the calls that have not gone to the store, and every later one. */
  end(): void;
  /** For the responses to its callers. */
  readonly deadline: Deadline;
};

type Pending = {
  readonly call: StoreCall;
  readonly atMs: number;
  readonly resolve: (reply: never) => void;
  readonly reject: (cause: unknown) => void;
};

/** @param onRequest is called before each request to the store, and for each channel that a write must tell */
export function turnStore(store: Store, onRequest: () => void = () => {}): TurnStore {
  const queues = new Map<string, Pending[]>();
  let running = 0;
  let planned = false;
  let hasEnded = false;

  const add = <T>(namespace: string, call: StoreCall): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (hasEnded) return reject(ended());
      const pending = { call, atMs: Date.now(), resolve, reject };
      const queue = queues.get(namespace);
      if (queue) queue.push(pending);
      else queues.set(namespace, [pending]);
      plan();
    });

  const plan = () => {
    if (planned || running >= MAX_RUNNING || queues.size === 0) return;
    planned = true;
    // A timer takes a millisecond or more, for which a call that is alone has nothing to wait. While others are under way, the
    // calls of all messages that arrive by then go together.
    if (running === 0) void afterHops().then(sendAll);
    else setTimeout(sendAll, 0);
  };

  const sendAll = () => {
    planned = false;
    for (const [namespace, queue] of queues) {
      if (running >= MAX_RUNNING) return;
      const group = takeGroup(queue);
      if (queue.length === 0) queues.delete(namespace);
      // A caller that already saw a failure must not be overtaken by its own old write.
      const lastMs = Date.now() - store.timeouts.lastAttemptMs;
      for (const { atMs, reject } of group)
        if (atMs < lastMs) reject(storeUnavailable("the store was busy for too long"));
      const inTime = group.filter(({ atMs }) => atMs >= lastMs);
      if (inTime.length > 0) void send(namespace, inTime);
    }
    plan();
  };

  const send = async (namespace: string, group: readonly Pending[]) => {
    running++;
    onRequest();
    try {
      const [alone, ...others] = group;
      if (alone && others.length === 0) return alone.resolve((await run(namespace, alone.call)) as never);
      const outcomes = await store.many(
        namespace,
        group.map(({ call }) => call),
      );
      for (const [index, { call, resolve, reject }] of group.entries()) {
        const outcome = outcomes[index];
        if (!outcome) throw new Error("the store returned fewer outcomes than there are calls");
        if (outcome.outcome === "done") resolve(outcome.reply as never);
        else if (outcome.outcome === "failed") reject(outcome.error);
        else add(namespace, call).then(resolve as (reply: unknown) => void, reject);
      }
    } catch (cause) {
      for (const { reject } of group) reject(cause);
    } finally {
      running--;
      plan();
    }
  };

  const run = (namespace: string, call: StoreCall): Promise<unknown> => {
    if (call.call === "write") return store.write(namespace, call.operations, call.options);
    return store[call.call](namespace, call.key);
  };

  const deadline = sharedDeadline(store.timeouts.responseMs);
  const read = <T>(namespace: string, call: StoreCall) => deadline(add<T>(namespace, call));

  /** Counts a request of its own. */
  const counted = <A extends readonly unknown[], R>(method: (...args: A) => R) => {
    return (...args: A): R => {
      onRequest();
      return method(...args);
    };
  };

  return {
    ...store,
    deadline,
    async write(namespace, operations, options: WriteOptions = {}) {
      const outcome = await add<WriteOutcome>(namespace, { call: "write", operations, options });
      if (outcome.outcome !== "applied") return outcome;
      for (const result of outcome.results) {
        if (result.change === null) continue;
        if (result.watched) onRequest();
        if (result.namespaceWatched) onRequest();
      }
      return outcome;
    },
    readEntry: (namespace, key) => read<EntryRead>(namespace, { call: "readEntry", key }),
    readSchema: (namespace, key) => read<SchemaRead>(namespace, { call: "readSchema", key }),
    recall: counted(store.recall),
    readMany: counted(store.readMany),
    readHistory: counted(store.readHistory),
    readKeys: counted(store.readKeys),
    end() {
      hasEnded = true;
      for (const queue of queues.values()) {
        for (const { reject } of queue) reject(ended());
      }
      queues.clear();
    },
  };
}

async function afterHops(): Promise<void> {
  for (let hop = 0; hop < HOPS; hop++) await null;
}

/** Nothing failed, so it has no cause for the log. */
function ended(): ApiError {
  return storeUnavailable(undefined, "The caller has gone.");
}

/** Takes calls from the start of the queue, at least one, as many as may go into one request. */
function takeGroup(queue: Pending[]): readonly Pending[] {
  let [count, weight] = [0, 0];
  for (const { call } of queue) {
    if (call.call === "write") for (const operation of call.operations) weight += weigh(operation);
    if (count > 0 && (weight > MAX_WEIGHT || count === LIMITS.maxKeys)) break;
    count++;
  }
  return queue.splice(0, count);
}

/** A write may be refused with the current schema, and one with `expect` with the current value. The store bounds what reads return. */
function weigh(operation: Operation): number {
  const refused = operation.expect === undefined ? 0 : LIMITS.maxValueBytes;
  if (operation.op === "set") return operation.value.length + LIMITS.maxSchemaBytes + refused;
  return (operation.op === "schema_set" ? operation.schema.length : 0) + refused;
}
