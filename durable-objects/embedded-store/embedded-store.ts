// The Durable Object of the embedded store, one per namespace. It commits writes that arrive together in one
// transaction. What a write does is in namespace.ts.

import { DurableObject } from "cloudflare:workers";
import { LIMITS } from "../../config/limits.ts";
import { logLength, quota } from "../../config/store-settings.ts";
import type { EmbeddedObject, EmbeddedOutcome } from "../../memory/store/embedded.ts";
import type {
  AppliedVersions,
  EntriesPage,
  Entry,
  Idempotency,
  IdReused,
  KeysPage,
  KeysQuery,
  LogSlice,
  ManyRead,
  Operation,
  StoredSchema,
  Watch,
  WriteOptions,
} from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";
import { GroupCommit } from "./group-commit.ts";
import { Namespace } from "./namespace.ts";

type PendingWrite = {
  readonly operations: readonly Operation[];
  readonly options: WriteOptions;
  readonly resolve: (outcome: EmbeddedOutcome) => void;
  readonly reject: (cause: unknown) => void;
};

export class EmbeddedStore extends DurableObject<Env> implements EmbeddedObject {
  readonly #namespace: Namespace;
  readonly #groups = new GroupCommit<PendingWrite>((group) => this.#commit(group));
  /** When the next sweep is due, if this object has planned one. */
  #sweepAtMs: number | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#namespace = new Namespace(ctx.storage, { logLength: logLength(env), quota: quota(env) });
  }

  write(operations: readonly Operation[], idempotency?: Idempotency, by?: string): Promise<EmbeddedOutcome> {
    const options = { idempotency, by };
    return new Promise((resolve, reject) => this.#groups.add({ operations, options, resolve, reject }));
  }

  async recall(idempotency: Idempotency): Promise<AppliedVersions | IdReused | null> {
    return this.#namespace.recall(idempotency, nowUs());
  }

  async readEntry(key: string): Promise<Entry | null> {
    return this.#namespace.entries.entry(key, nowUs());
  }

  async readMany(keys: readonly string[]): Promise<ManyRead> {
    return this.#transaction(() => this.#namespace.readMany(keys, nowUs()));
  }

  async readSchema(key: string): Promise<StoredSchema | null> {
    return this.#namespace.entries.schema(key);
  }

  async readLog(key: string, after: number): Promise<LogSlice> {
    return this.#namespace.readLog(key, after);
  }

  async readHistory(key: string, before: number, limit: number): Promise<Change[]> {
    return this.#transaction(() => this.#namespace.readHistory(key, before, limit, nowUs()));
  }

  async readEntries(after: string): Promise<EntriesPage> {
    return this.#namespace.entries.page(after, nowUs());
  }

  async readKeys(query: KeysQuery): Promise<KeysPage> {
    return this.#namespace.entries.keys(query, nowUs());
  }

  async watch(key: string, token: string): Promise<Watch> {
    return this.#transaction(() => this.#namespace.watch(key, token, nowUs()));
  }

  async unwatch(key: string, token: string): Promise<void> {
    this.#namespace.unwatch(key, token);
  }

  async ping(): Promise<void> {}

  /** Records the expiry of values that no channel watches. Channels do not wait for this sweep. */
  override async alarm(): Promise<void> {
    this.#sweepAtMs = undefined;
    let nextUs: number;
    do {
      this.#transaction(() => this.#namespace.expire(nowUs()));
      nextUs = this.#namespace.expiries.nextUs();
    } while (nextUs > 0 && nextUs <= nowUs());
    await this.#armSweep();
  }

  /** Plans one sweep for all values, and not one alarm for each value that expires. */
  async #armSweep(): Promise<void> {
    if (this.#sweepAtMs !== undefined || !this.#namespace.expiries.any()) return;
    this.#sweepAtMs = Date.now() + LIMITS.sweepIntervalMs;
    const earlier = await this.ctx.storage.getAlarm();
    if (earlier === null) await this.ctx.storage.setAlarm(this.#sweepAtMs);
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
      void this.#armSweep();
      for (const { resolve, outcome } of outcomes) resolve(outcome);
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

function nowUs(): number {
  return Date.now() * 1000;
}
