// Writes items into memX: values by the batch, schemas one by one. Counts what became of each. Every write may be repeated:
// of two values of a key the one with the later `ts` stays.

import { type Call, Calls } from "./calls.ts";
import { type Item, LineError } from "./cli-import-item.ts";
import { memberTexts, splitMembers } from "./cli-json.ts";
import { ConflictError, ForbiddenError, MemxError, NotFoundError, SchemaViolationError } from "./errors.ts";
import type { Options } from "./options.ts";
import { isFinal } from "./read-error.ts";

/** memX remembers an `Idempotency-Key` for 5 minutes, so repeats are safe for as long as the client makes them. */
const RETRIES = 8;

const MIN_TTL_SECONDS = 1;
const MAX_TTL_SECONDS = 31_536_000;

export type Mode = "newer" | "skip" | "overwrite";

/** What became of the items. */
export type Counts = {
  /** Values that were written. */
  written: number;
  /** Values and schemas that were there already. */
  unchanged: number;
  /** Values that the key's own, later value or deletion kept out. */
  newer: number;
  /** Values and schemas that `--skip-existing` kept out. */
  existing: number;
  /** Values whose time is over. */
  expired: number;
  /** Schemas that were written. */
  schemas: number;
};

type Stored = { readonly json: string; readonly ts: number };
type Result = { readonly updated: boolean; readonly ts: number };
type Condition = { readonly ts?: boolean; readonly expect?: number };

export class Target {
  readonly counts: Counts = { written: 0, unchanged: 0, newer: 0, existing: 0, expired: 0, schemas: 0 };
  readonly #options: Options;
  readonly #mode: Mode;
  readonly #dryRun: boolean;

  constructor(options: Options, { mode, dryRun }: { mode: Mode; dryRun: boolean }) {
    this.#options = options;
    this.#mode = mode;
    this.#dryRun = dryRun;
  }

  /**
   * Writes the values of a batch, which have one writer. If memX refuses the batch, writes them one by one, in order.
   * @throws {LineError} for the first value that memX refuses
   */
  async writeValues(items: readonly Item[], schema?: Item): Promise<void> {
    try {
      await this.#write(items);
      return;
    } catch (error) {
      if (!isFinal(error) || !(error instanceof MemxError) || isOfAll(error)) throw error;
      if (items.length === 1) return this.#handle(items[0] as Item, error, schema);
    }
    for (const item of items) await this.writeValues([item], schema);
  }

  /** @throws {LineError} if memX refuses the schema */
  async writeSchema(item: Item): Promise<void> {
    const { key, json } = item;
    const current = await this.#readSchema(item);
    if (current === json) this.counts.unchanged++;
    else if (current !== undefined && this.#mode === "skip") this.counts.existing++;
    else {
      if (!this.#dryRun) {
        const raw = `{"key":${JSON.stringify(key)},"schema":${json}}`;
        await this.#named(item, this.#send(item, { method: "POST", path: "/schema", body: { raw }, has: "ok" }));
      }
      this.counts.schemas++;
    }
  }

  async #write(all: readonly Item[]): Promise<void> {
    const items = all.filter(({ expires }) => expires === undefined || expires > Date.now() / 1_000);
    if (this.#dryRun) await this.#compare(items);
    else if (this.#mode === "skip") await this.#writeMissing(items);
    else await this.#writeNewer(items);
    this.counts.expired += all.length - items.length;
  }

  async #writeNewer(items: readonly Item[]): Promise<void> {
    const results = await this.#set(items);
    const rest = items.filter((_, index) => !results[index]?.updated);
    if (this.#mode === "newer") {
      this.counts.unchanged += items.filter((item, index) => isSame(item, results[index])).length;
      this.counts.newer += items.filter((item, index) => isNewer(item, results[index])).length;
    } else if (rest.length > 0) {
      const stored = await this.#read(rest);
      const other = rest.filter(({ json }, index) => stored[index]?.json !== json);
      // Without `ts`: memX would refuse a time that is earlier than the key's.
      await this.#set(other, { ts: false });
      this.counts.unchanged += rest.length - other.length;
      this.counts.written += other.length;
    }
    this.counts.written += items.length - rest.length;
  }

  async #writeMissing(items: readonly Item[]): Promise<void> {
    const stored = await this.#read(items);
    const missing = items.filter((_, index) => !stored[index]);
    const results = await this.#set(missing, { expect: 0 });
    // A later deletion must not keep them out.
    await this.#set(
      missing.filter((_, index) => !results[index]?.updated),
      { expect: 0, ts: false },
    );
    this.counts.existing += items.length - missing.length;
    this.counts.written += missing.length;
  }

  /** Counts what a write would do. */
  async #compare(items: readonly Item[]): Promise<void> {
    const stored = await this.#read(items);
    for (const [index, { json, ts }] of items.entries()) {
      const current = stored[index];
      if (!current) this.counts.written++;
      else if (this.#mode === "skip") this.counts.existing++;
      else if (this.#mode === "overwrite") this.counts[current.json === json ? "unchanged" : "written"]++;
      else if (ts === undefined || Number(ts) > current.ts) this.counts.written++;
      else this.counts[Number(ts) === current.ts ? "unchanged" : "newer"]++;
    }
  }

  async #set(items: readonly Item[], { ts: withTs = true, expect }: Condition = {}): Promise<readonly Result[]> {
    const [first] = items;
    if (!first) return [];
    const fields = items.map(({ key, json, ts, expires }) =>
      [
        `"op":"set","key":${JSON.stringify(key)},"value":${json}`,
        ...(withTs && ts !== undefined ? [`"ts":${ts}`] : []),
        ...(expires === undefined ? [] : [`"ttl":${ttlUntil(expires)}`]),
        ...(expect === undefined ? [] : [`"expect":${expect}`]),
      ].join(","),
    );
    const raw = `{"operations":[${fields.map((each) => `{${each}}`).join(",")}]}`;
    const call = { method: "POST", path: "/batch", body: { raw }, has: "results" } as const;
    const { results } = await this.#send<{ results: readonly Result[] }>(first, call);
    return results;
  }

  /** Reads the values of the items, in parts if they are large together. */
  async #read(items: readonly Item[]): Promise<(Stored | null)[]> {
    const [first] = items;
    if (!first) return [];
    const raw = JSON.stringify({ keys: items.map(({ key }) => key) });
    try {
      const call = { method: "POST", path: "/read", body: { raw }, has: "entries", isRead: true } as const;
      const { raw: text } = await this.#send<{ raw: string }>(first, call);
      return splitMembers(memberTexts(text).get("entries") ?? "").map((entry) => {
        if (entry === "null") return null;
        const members = memberTexts(entry);
        return { json: members.get("value") ?? "", ts: Number(members.get("ts")) };
      });
    } catch (error) {
      if (!(error instanceof MemxError && error.code === "too_large") || items.length === 1) throw error;
      const middle = Math.ceil(items.length / 2);
      return [...(await this.#read(items.slice(0, middle))), ...(await this.#read(items.slice(middle)))];
    }
  }

  /** Returns the text of the key's schema; `undefined` if there is none, or if the API key may only write. */
  async #readSchema(item: Item): Promise<string | undefined> {
    try {
      const call = { method: "GET", path: "/schema", query: { key: item.key }, has: "schema" } as const;
      const { raw } = await this.#send<{ raw: string }>(item, call);
      return memberTexts(raw).get("schema");
    } catch (error) {
      if (error instanceof NotFoundError || (error instanceof ForbiddenError && this.#mode === "newer"))
        return undefined;
      throw error;
    }
  }

  /** What a single value's refusal means. */
  async #handle(item: Item, error: MemxError, schema: Item | undefined): Promise<void> {
    if (error instanceof ConflictError && this.#mode === "skip") {
      this.counts.existing++;
      return;
    }
    if (!(error instanceof SchemaViolationError)) throw nameError(item, error);
    // memX checks a value before it compares times.
    const [current] = await this.#named(item, this.#read([item]));
    const isLater = this.#mode === "newer" && current && item.ts !== undefined && current.ts >= Number(item.ts);
    if (current?.json === item.json || isLater) {
      this.counts[current?.json === item.json ? "unchanged" : "newer"]++;
      return;
    }
    // A value from before its schema does not have to match it. An import that was stopped may have set the schema already.
    if (!schema || (await this.#readSchema(item)) !== schema.json) throw nameError(item, error);
    await this.#named(
      item,
      this.#send(item, { method: "DELETE", path: "/schema", query: { key: item.key }, has: "ok" }),
    );
    await this.#named(item, this.#write([item]));
  }

  async #named<T>(item: Item, result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      throw error instanceof MemxError && isFinal(error) && !isOfAll(error) ? nameError(item, error) : error;
    }
  }

  #send<T>({ by }: Item, call: Call): Promise<T> {
    const options = by === undefined ? this.#options : { ...this.#options, agent: by };
    return new Calls(options).send<T>({ ...call, retries: RETRIES });
  }
}

/** Whether memX would refuse every other write too. */
function isOfAll({ code, status }: MemxError): boolean {
  return status === 401 || code === "invalid_api_key" || code === "unexpected_answer" || status === 507;
}

function nameError({ line, name }: Item, error: MemxError): LineError {
  return Object.assign(new LineError(line, name, error.message), { cause: error });
}

function isSame({ ts }: Item, result: Result | undefined): boolean {
  return result?.updated === false && result.ts === Number(ts);
}

function isNewer(item: Item, result: Result | undefined): boolean {
  return result?.updated === false && !isSame(item, result);
}

/** In whole microseconds, as memX counts. */
function ttlUntil(expires: number): number {
  const seconds = Math.round((expires - Date.now() / 1_000) * 1e6) / 1e6;
  return Math.min(MAX_TTL_SECONDS, Math.max(MIN_TTL_SECONDS, seconds));
}
