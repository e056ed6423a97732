// `import`: writes the lines of an export, or the keys of an original memX, some batches at a time and in constant memory.
// It stops at the first line that is wrong and says where to go on.

import { fstatSync, readSync } from "node:fs";
import { type Options, UsageError } from "./cli-arguments.ts";
import { type Item, LineError, readItem, readLines } from "./cli-import-item.ts";
import { type Mode, Target } from "./cli-import-target.ts";
import { readOriginal } from "./cli-original.ts";
import { EXIT, exitCode, write } from "./cli-output.ts";
import { Progress } from "./cli-progress.ts";
import type { Options as Connection } from "./options.ts";

/** As many as `POST /batch` takes, and half of the bytes. */
const BATCH_ITEMS = 100;
const BATCH_CHARS = 256 * 1024;

/** Batches on their way to memX at a time. */
const IN_FLIGHT = 4;

/** Writers whose values wait for a full batch at a time. */
const MAX_WRITERS = 16;

/** The shell's code for a program that SIGINT ended. */
const INTERRUPTED = 130;

type Batch = { readonly items: Item[]; chars: number };

export async function importMemory(connection: Connection, options: Options): Promise<number> {
  const mode = readMode(options);
  const fromOriginal = options["from-original"] !== undefined;
  if (!fromOriginal && options.namespace !== undefined) throw new UsageError("--namespace needs --from-original.");
  if (fromOriginal && options["from-line"] !== undefined)
    throw new UsageError("--from-line and --from-original exclude each other.");
  const source = fromOriginal ? readOriginal(options) : readExport(firstLine(options), checkEnd());
  const target = new Target(connection, { mode, dryRun: options["dry-run"] ?? false });
  const writer = new Writer(target);
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    // Ends the wait for the next line.
    process.stdin.destroy();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  let next = 1;
  let error: unknown;
  try {
    for await (const { line, items } of source) {
      await writer.add(items);
      next = line + 1;
      if (interrupted) break;
    }
  } catch (thrown) {
    if (!interrupted) error = thrown;
  }
  if (error === undefined) await writer.flush().catch((fault) => (error = fault));
  if (error instanceof UsageError && next === 1) throw error;
  const { fault, line } = await writer.end(error, next);
  await write(`${JSON.stringify({ ...target.counts, ...(options["dry-run"] && { dryRun: true }) })}\n`);
  if (!fault && !interrupted) return EXIT.done;
  process.stderr.write(`${fault?.message ?? "The import was interrupted."}\n`);
  const advice = fromOriginal ? "Import again: what is there already stays." : `Continue with --from-line ${line}.`;
  process.stderr.write(`${advice}\n`);
  if (!fault) return INTERRUPTED;
  return exitCode(fault instanceof LineError ? (fault.cause ?? fault) : fault);
}

/** What a source yields: the values and schemas to write, up to and including a line. A schema is in front of its value. */
export type Step = { readonly line: number; readonly items: readonly Item[] };

async function* readExport(fromLine: number, bytes: number): AsyncGenerator<Step> {
  const progress = new Progress("Importing", bytes);
  const seen = { value: 0, schema: 0 };
  let done = 0;
  let [isExport, ended] = [false, false];
  /** A schema waits for the next line, which may be its key's value. */
  let schema: Item | undefined;
  try {
    for await (const line of readLines(process.stdin)) {
      done += line.bytes;
      const item = readItem(line);
      if (item === "head") isExport = true;
      if (item === null || item === "head") continue;
      const name = `Line ${line.line}`;
      if (ended) throw new LineError(line.line, name, "The export has ended before.");
      if ("end" in item) {
        ended = true;
        if (item.end.values === seen.value && item.end.schemas === seen.schema) continue;
        const { values, schemas } = item.end;
        throw new LineError(
          line.line,
          name,
          `Lines are missing: the export had ${values} values and ${schemas} schemas.`,
        );
      }
      seen[item.kind]++;
      if (line.line < fromLine) continue;
      progress.show(line.line, done);
      const held = schema;
      schema = item.kind === "schema" ? item : undefined;
      if (held?.key === item.key && item.kind === "value") yield { line: item.line, items: [held, item] };
      else {
        if (held) yield { line: held.line, items: [held] };
        if (item.kind === "value") yield { line: item.line, items: [item] };
      }
    }
    if (isExport && !ended) throw new UsageError(CUT_OFF);
  } catch (error) {
    // It comes before the wrong line.
    const held = schema;
    schema = undefined;
    if (held) yield { line: held.line, items: [held] };
    throw error;
  } finally {
    progress.end();
  }
  if (schema) yield { line: schema.line, items: [schema] };
}

const CUT_OFF = "The export was cut off: its last line is missing.";

/** Refuses a file that was cut off, before anything is written. Returns its size, 0 if standard input is no file. */
function checkEnd(): number {
  if (process.stdin.isTTY) throw new UsageError("Pass a file: memx-sdk import < memory.ndjson");
  const stats = fstatSync(0);
  if (!stats.isFile()) return 0;
  const read = (length: number, at: number) => {
    const bytes = Buffer.alloc(Math.min(length, stats.size));
    readSync(0, bytes, 0, bytes.length, Math.max(0, at));
    return bytes.toString("latin1");
  };
  if (
    read(20, 0).startsWith('{"event":"export"') &&
    !/\n\{"event":"end"[^\n]*\}\n?$/.test(read(200, stats.size - 200))
  ) {
    throw new UsageError(`${CUT_OFF} Nothing was written.`);
  }
  return stats.size;
}

/** Hands items to the target, several batches at a time. Two writes to one key are never on their way together. */
class Writer {
  readonly #target: Target;
  readonly #batches = new Map<string, Batch>();
  readonly #running = new Set<Promise<void>>();
  /** The keys and the lines that are not written yet. */
  readonly #keys = new Set<string>();
  readonly #lines = new Set<number>();
  /** That of the earliest line. */
  #fault: Error | undefined;

  constructor(target: Target) {
    this.#target = target;
  }

  /** @throws the fault of an earlier item */
  async add(items: readonly Item[]): Promise<void> {
    const [first, second] = items as readonly [Item, Item?];
    if (this.#keys.has(first.key)) await this.flush();
    this.#keys.add(first.key);
    for (const { line } of items) this.#lines.add(line);
    if (first.kind === "schema") await this.#start(second ? [second] : [], first);
    else await this.#collect(first);
  }

  /** Resolves once everything so far is written. @throws its fault */
  async flush(): Promise<void> {
    for (const writer of [...this.#batches.keys()]) await this.#startBatch(writer);
    await this.#settle();
    if (this.#fault) throw this.#fault;
  }

  /**
   * Waits for what is on its way, and writes what comes before a wrong line. Returns the first fault, and the first line
   * that is not written, at most `next`.
   */
  async end(error: unknown, next: number): Promise<{ fault: Error | undefined; line: number }> {
    await this.#settle();
    const fault = this.#fault ?? (error as Error | undefined);
    if (fault instanceof LineError) {
      const earlier = [...this.#batches.values()].flatMap(({ items }) => items).filter(({ line }) => line < fault.line);
      this.#batches.clear();
      for (const item of earlier) await this.#write([item]);
    }
    const from = fault instanceof LineError && fault.line > 0 ? fault.line : next;
    return { fault: this.#fault ?? fault, line: Math.min(from, ...this.#lines) };
  }

  async #settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
  }

  async #collect(item: Item): Promise<void> {
    const writer = item.by ?? "";
    const batch = this.#batches.get(writer) ?? { items: [], chars: 0 };
    this.#batches.set(writer, batch);
    batch.items.push(item);
    batch.chars += item.json.length;
    if (batch.items.length >= BATCH_ITEMS || batch.chars >= BATCH_CHARS) await this.#startBatch(writer);
    else if (this.#batches.size > MAX_WRITERS) await this.#startBatch(this.#batches.keys().next().value as string);
  }

  async #startBatch(writer: string): Promise<void> {
    const { items } = this.#batches.get(writer) as Batch;
    this.#batches.delete(writer);
    await this.#start(items);
  }

  async #start(items: readonly Item[], schema?: Item): Promise<void> {
    while (this.#running.size >= IN_FLIGHT) await Promise.race(this.#running);
    if (this.#fault) throw this.#fault;
    const run = this.#write(items, schema).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #write(values: readonly Item[], schema?: Item): Promise<void> {
    const items = schema ? [...values, schema] : values;
    let end = Number.POSITIVE_INFINITY;
    try {
      // The value first: it may be from before its schema, and then does not have to match it.
      if (values.length > 0) await this.#target.writeValues(values, schema);
      if (schema) await this.#target.writeSchema(schema);
    } catch (error) {
      const line = lineOf(error);
      if (!this.#fault || line < lineOf(this.#fault)) this.#fault = error as Error;
      // What comes before a wrong line is written.
      end = error instanceof LineError && values.length > 1 ? line : 0;
    }
    for (const { line, key } of items) {
      if (line >= end) continue;
      this.#lines.delete(line);
      this.#keys.delete(key);
    }
  }
}

function lineOf(error: unknown): number {
  return error instanceof LineError ? error.line : Number.POSITIVE_INFINITY;
}

function readMode(options: Options): Mode {
  if (options["skip-existing"] && options.overwrite)
    throw new UsageError("--skip-existing and --overwrite exclude each other.");
  return options["skip-existing"] ? "skip" : options.overwrite ? "overwrite" : "newer";
}

function firstLine({ "from-line": text = "1" }: Options): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new UsageError("--from-line must be a whole number of at least 1.");
}
