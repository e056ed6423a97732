// The Durable Object of the embedded store, one per namespace. It commits writes that arrive together in one
// transaction. What a write does is in namespace.ts.

import { DurableObject } from "cloudflare:workers";
import { LIMITS } from "../../config/limits.ts";
import { logLength, quota } from "../../config/store-settings.ts";
import { exportMetrics } from "../../memory/export-metrics.ts";
import { METRICS } from "../../memory/metrics.ts";
import type { EmbeddedObject } from "../../memory/store/embedded.ts";
import {
  type EmbeddedOutcome,
  type Packed,
  type PackedCallOutcome,
  pack,
} from "../../memory/store/embedded-replies.ts";
import type {
  AppliedVersions,
  EntryRead,
  History,
  Idempotency,
  IdReused,
  KeysPage,
  KeysQuery,
  LogScan,
  LogSlice,
  ManyRead,
  NamesPage,
  Operation,
  SchemaRead,
  StoreCall,
  StoredKey,
  ValueGone,
  Watch,
  WriteOptions,
} from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { bringForward } from "../bring-forward.ts";
import { Turn } from "../turn.ts";
import { GroupCommit } from "./group-commit.ts";
import { Namespace } from "./namespace.ts";

/** Steps of one sweep. The next sweep continues where it stops, so that no alarm runs for long. */
const SWEEP_STEPS = 100;

/** What one transaction of writes may weigh: about 20 ms. The writes after it wait for the next turn. */
const GROUP_WEIGHT = 500;

type PendingWrite = {
  readonly operations: readonly Operation[];
  readonly options: WriteOptions;
  readonly resolve: (outcome: Packed<EmbeddedOutcome>) => void;
  readonly reject: (cause: unknown) => void;
};

export class EmbeddedStore extends DurableObject<Env> implements EmbeddedObject {
  readonly #namespace: Namespace;
  readonly #groups = new GroupCommit<PendingWrite>((group) => this.#commit(group), weigh, GROUP_WEIGHT);
  /** When the next sweep is due, if this object has planned one. */
  #sweepAtMs: number | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#namespace = new Namespace(ctx.storage, { logLength: logLength(env), quota: quota(env) });
    void bringForward(ctx.storage, Date.now() + LIMITS.sweepIntervalMs);
  }

  write(operations: readonly Operation[], idempotency?: Idempotency, by?: string): Promise<Packed<EmbeddedOutcome>> {
    const options = { idempotency, by };
    return new Promise((resolve, reject) => this.#groups.add({ operations, options, resolve, reject }));
  }

  /** The writes are of one turn, so they share a commit with each other and with those of other callers. */
  many(calls: readonly StoreCall[]): Promise<PackedCallOutcome[]> {
    let readChars = 0;
    const run = async (call: StoreCall): Promise<PackedCallOutcome> => {
      if (call.call === "write") {
        const { idempotency, by } = call.options;
        return this.write(call.operations, idempotency, by);
      }
      if (readChars > LIMITS.maxReadBytes) return { outcome: "deferred" };
      const isEntry = call.call === "readEntry";
      const reply = pack(isEntry ? this.#namespace.readEntry(call.key, nowUs()) : this.#namespace.readSchema(call.key));
      readChars += reply.length;
      return reply;
    };
    const failed = (cause: unknown): PackedCallOutcome => ({ outcome: "failed", message: String(cause) });
    return Promise.all(calls.map((call) => run(call).catch(failed)));
  }

  async recall(idempotency: Idempotency, key: string): Promise<AppliedVersions | IdReused | ValueGone | null> {
    return this.#namespace.recall(idempotency, key, nowUs());
  }

  async readEntry(key: string): Promise<Packed<EntryRead>> {
    return pack(this.#namespace.readEntry(key, nowUs()));
  }

  async readMany(keys: readonly string[]): Promise<ManyRead> {
    return this.#transaction(() => this.#namespace.readMany(keys, nowUs()));
  }

  async readSchema(key: string): Promise<SchemaRead> {
    return this.#namespace.readSchema(key);
  }

  async readLog(key: string, after: number): Promise<LogSlice> {
    return this.#namespace.readLog(key, after);
  }

  async readHistory(key: string, before: number, limit: number): Promise<History> {
    return this.#transaction(() => this.#namespace.readHistory(key, before, limit, nowUs()));
  }

  async scanLog(after: number): Promise<LogScan> {
    return this.#namespace.scanLog(after);
  }

  async readChanges(revisions: readonly number[]): Promise<(Change | null)[]> {
    return this.#transaction(() => this.#namespace.readChanges(revisions));
  }

  async readNames(after: string): Promise<NamesPage> {
    return this.#namespace.entries.names(after, nowUs());
  }

  async readEntries(keys: readonly string[]): Promise<StoredKey[]> {
    return this.#transaction(() => this.#namespace.entries.stored(keys, nowUs()));
  }

  async readKeys(query: KeysQuery): Promise<KeysPage> {
    return this.#namespace.readKeys(query, nowUs());
  }

  async watch(key: string, token: string): Promise<Watch> {
    return this.#transaction(() => this.#namespace.watch(key, token, nowUs()));
  }

  async unwatch(key: string, token: string): Promise<void> {
    this.#transaction(() => this.#namespace.unwatch(key, token, nowUs()));
    void this.#armSweep();
  }

  async ping(): Promise<void> {}

  /**
   * Records the expiry of values that no channel watches, and removes what is old. Channels do not wait for this sweep.
   */
  override async alarm(): Promise<void> {
    this.#sweepAtMs = undefined;
    const turn = new Turn();
    for (let step = 0; step < SWEEP_STEPS; step++) {
      const more = this.#transaction(() => {
        this.#namespace.expire(nowUs());
        const older = this.#namespace.forgetOld(nowUs());
        const nextUs = this.#namespace.expiries.nextUs();
        return older || (nextUs > 0 && nextUs <= nowUs());
      });
      if (!more) return this.#armSweep();
      await turn.end();
    }
    await this.#armSweep(0);
  }

  /** Plans one sweep for everything that ages, and not one alarm for each value that expires. */
  async #armSweep(inMs: number | undefined = this.#namespace.oldInMs(nowUs())): Promise<void> {
    if (inMs === undefined) return;
    const atMs = Date.now() + inMs;
    if (this.#sweepAtMs !== undefined && this.#sweepAtMs <= atMs) return;
    this.#sweepAtMs = atMs;
    const earlier = await this.ctx.storage.getAlarm();
    if (earlier === null || earlier > atMs) await this.ctx.storage.setAlarm(atMs);
  }

  // The output gate of the platform holds the responses back until the commit is on disk.
  #commit(group: readonly PendingWrite[]): void {
    try {
      const atUs = nowUs();
      const outcomes = this.#transaction(() =>
        group.map(({ operations, options, resolve }) => ({
          resolve,
          outcome: this.#namespace.apply(operations, atUs, options),
        })),
      );
      METRICS.commitWrites.observe(group.length);
      exportMetrics(this.env.METRICS_DATASET);
      void this.#armSweep();
      for (const { resolve, outcome } of outcomes) resolve(pack(outcome));
    } catch (cause) {
      for (const { reject } of group) reject(cause);
    }
  }

  #transaction<T>(step: () => T): T {
    try {
      return this.ctx.storage.transactionSync(step);
    } catch (cause) {
      this.#namespace.forget();
      throw cause;
    }
  }
}

/** Counts operations, and their texts as if each 4 KiB were one more. */
function weigh({ operations }: PendingWrite): number {
  return operations.reduce((sum, operation) => {
    const text = operation.op === "set" ? operation.value : operation.op === "schema_set" ? operation.schema : "";
    return sum + 1 + text.length / 4096;
  }, 0);
}

function nowUs(): number {
  return Date.now() * 1000;
}
