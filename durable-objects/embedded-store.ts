// The embedded store: one SQLite object per namespace. Writes that arrive together are committed together; what
// they do is in embedded-tables.ts.

import { DurableObject } from "cloudflare:workers";
import type { Change } from "../sdk/protocol.ts";
import type { EmbeddedObject, EmbeddedOutcome } from "../worker/store/embedded.ts";
import { logLength } from "../worker/store/log-length.ts";
import type {
  AppliedVersions,
  EntriesPage,
  Entry,
  Idempotency,
  IdReused,
  LogSlice,
  Operation,
  StoredSchema,
} from "../worker/store/store.ts";
import { EmbeddedTables } from "./embedded-tables.ts";

type PendingWrite = {
  readonly operations: readonly Operation[];
  readonly idempotency: Idempotency | undefined;
  readonly resolve: (outcome: EmbeddedOutcome) => void;
  readonly reject: (cause: unknown) => void;
};

export class EmbeddedStore extends DurableObject<Env> implements EmbeddedObject {
  readonly #tables: EmbeddedTables;
  #pending: PendingWrite[] = [];

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#tables = new EmbeddedTables(ctx.storage, { logLength: logLength(env) });
  }

  write(operations: readonly Operation[], idempotency?: Idempotency): Promise<EmbeddedOutcome> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ operations, idempotency, resolve, reject });
      // A commit costs the same for one write as for many, so those that are waiting to be delivered go along.
      if (this.#pending.length === 1) setTimeout(() => this.#commit(), 0);
    });
  }

  async recall(idempotency: Idempotency): Promise<AppliedVersions | IdReused | null> {
    return this.#tables.recall(idempotency, Date.now() * 1000);
  }

  async readEntry(key: string): Promise<Entry | null> {
    return this.#tables.entry(key);
  }

  async readSchema(key: string): Promise<StoredSchema | null> {
    return this.#tables.schema(key);
  }

  async readLog(key: string, after: number): Promise<LogSlice> {
    return this.#tables.log(key, after);
  }

  async readHistory(key: string, before: number, limit: number): Promise<Change[]> {
    return this.#tables.history(key, before, limit);
  }

  async readEntries(after: string): Promise<EntriesPage> {
    return this.#tables.page(after);
  }

  async watch(key: string, token: string): Promise<number> {
    return this.#tables.watch(key, token, Date.now() * 1000);
  }

  async unwatch(key: string, token: string): Promise<void> {
    this.#tables.unwatch(key, token);
  }

  async ping(): Promise<void> {}

  // The answers leave only once the commit is on disk: the platform's output gate holds them back.
  #commit(): void {
    const group = this.#pending;
    this.#pending = [];
    try {
      const nowUs = Date.now() * 1000;
      const outcomes = this.ctx.storage.transactionSync(() =>
        group.map(({ operations, idempotency, resolve }) => ({
          resolve,
          outcome: this.#tables.apply(operations, nowUs, idempotency),
        })),
      );
      for (const { resolve, outcome } of outcomes) resolve(outcome);
    } catch (cause) {
      for (const { reject } of group) reject(cause);
    }
  }
}
