// The commands of the command line: the arguments that each takes, and what it does with memX.

import { EVENT_FILTERS, type EventFilter } from "../protocol.ts";
import { type OptionName, type Options, UsageError } from "./cli-arguments.ts";
import { exportMemory } from "./cli-export.ts";
import { importMemory } from "./cli-import.ts";
import { JsonText, lineOf, readJson, readStdin } from "./cli-json.ts";
import { EXIT, write } from "./cli-output.ts";
import type { MemX } from "./memx.ts";
import type { Options as Connection } from "./options.ts";

export type Command = {
  /** Its arguments. One in brackets may be absent, and one with dots may be repeated. */
  readonly usage: string;
  readonly does: string;
  readonly takes?: readonly OptionName[];
  readonly needsNoKey?: true;
  /** Returns the exit code. */
  readonly run: (memx: MemX, args: string[], options: Options, connection: () => Connection) => Promise<number>;
};

const WRITES = ["expect", "ttl"] as const;

/** So many attempts in a row, like the client's calls, before a `watch` with a limit gives up. */
const MAX_ATTEMPTS = 4;

export const COMMANDS: Readonly<Record<string, Command>> = {
  get: {
    usage: "KEY",
    does: "Print the key's value with its ts and revision.",
    run: async (memx, [key = ""]) => print(await memx.get(key)),
  },
  set: {
    usage: "KEY JSON",
    does: "Write a value.",
    takes: WRITES,
    run: async (memx, [key = "", value], options) => print(await memx.set(key, await json(value), conditions(options))),
  },
  merge: {
    usage: "KEY JSON",
    does: "Merge an object into the value (RFC 7396).",
    takes: WRITES,
    run: async (memx, [key = "", value], options) =>
      print(await memx.merge(key, await json(value), conditions<number>(options))),
  },
  patch: {
    usage: "KEY JSON",
    does: "Apply a JSON Patch (RFC 6902).",
    takes: WRITES,
    run: async (memx, [key = "", operations], options) =>
      print(await memx.patch(key, (await json(operations)) as never, conditions<number>(options))),
  },
  increment: {
    usage: "KEY [BY]",
    does: "Add BY, by default 1, to a number.",
    takes: WRITES,
    run: async (memx, [key = "", by = "1"], options) =>
      print(await memx.increment(key, numberText(by) as never, conditions<number>(options))),
  },
  append: {
    usage: "KEY JSON...",
    does: "Add items to the end of an array.",
    takes: WRITES,
    run: async (memx, [key = "", ...items], options) =>
      print(await memx.append(key, await jsons(items), conditions<number>(options))),
  },
  delete: {
    usage: "KEY",
    does: "Delete the key's value.",
    takes: ["expect"],
    run: async (memx, [key = ""], options) => print(await memx.delete(key, conditions(options))),
  },
  keys: {
    usage: "[PREFIX]",
    does: "List the keys that have a value.",
    takes: ["values", "limit"],
    run: (memx, [prefix = ""], { values = false, limit }) =>
      printAll((pageSize) => memx.keys({ prefix, values, pageSize }), limit),
  },
  history: {
    usage: "KEY",
    does: "List the key's changes, newest first.",
    takes: ["limit"],
    run: (memx, [key = ""], { limit }) => printAll((pageSize) => memx.history(key, { pageSize }), limit),
  },
  watch: {
    usage: "PATTERN...",
    does: "Print live changes of the keys that match a glob, until interrupted.",
    takes: ["event", "snapshot", "since", "limit"],
    run: watch,
  },
  "schema get": {
    usage: "KEY",
    does: "Print the key's JSON Schema.",
    run: async (memx, [key = ""]) => print(await memx.getSchema(key)),
  },
  "schema set": {
    usage: "KEY JSON",
    does: "Set the key's JSON Schema.",
    takes: ["expect"],
    run: async (memx, [key = "", schema], options) =>
      print(await memx.setSchema(key, (await json(schema)) as never, conditions(options))),
  },
  "schema delete": {
    usage: "KEY",
    does: "Delete the key's JSON Schema.",
    takes: ["expect"],
    run: async (memx, [key = ""], options) => print(await memx.deleteSchema(key, conditions(options))),
  },
  export: {
    usage: "[PATTERN]...",
    does: "Print all values and schemas of one moment that match a glob, for import.",
    run: (_memx, patterns, _options, connection) => exportMemory(connection(), patterns),
  },
  import: {
    usage: "",
    does: "Write what export has printed, from standard input. Of two values of a key, the newer one stays.",
    takes: ["dry-run", "skip-existing", "overwrite", "from-line", "from-original", "namespace"],
    run: (_memx, _args, options, connection) => importMemory(connection(), options),
  },
  whoami: {
    usage: "",
    does: "Print what the API key may do, and which memX this is.",
    run: async (memx) => print(await memx.whoami()),
  },
  health: {
    usage: "",
    does: "Check that memX and its store respond. Needs no API key.",
    needsNoKey: true,
    run: async (memx) => print(await memx.health()),
  },
};

async function watch(memx: MemX, patterns: string[], { event = "value", snapshot, since, limit }: Options) {
  if (!(EVENT_FILTERS as readonly string[]).includes(event)) {
    throw new UsageError("--event must be value, schema or all.");
  }
  if (snapshot && since !== undefined) throw new UsageError("--snapshot and --since exclude each other.");
  let failures = 0;
  let wasLive = false;
  const open = () => {
    const subscription = memx.watch(patterns, {
      event: event as EventFilter,
      ...(snapshot && { snapshot }),
      ...(since !== undefined && { since: wholeNumber(since, "--since") }),
      onReset: (revision) => process.stderr.write(`reset: memX no longer knows every change before ${revision}\n`),
      onStatus: (status, error) => {
        if (status === "live") [wasLive, failures] = [true, 0];
        if (status !== "connecting" || !error) return;
        if (failures++ === 0) process.stderr.write(`${error.message} memx-sdk keeps trying.\n`);
        // Who waits for so many lines waits for an end, too.
        if (limit !== undefined && !wasLive && failures >= MAX_ATTEMPTS) throw error;
      },
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => subscription.close());
    return subscription;
  };
  return printAll(open, limit);
}

function print(result: object | null): number | Promise<number> {
  return result === null ? EXIT.nothing : write(`${lineOf(result)}\n`);
}

async function printAll(open: (pageSize: number) => AsyncIterable<object>, limit: string | undefined): Promise<number> {
  let left = limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(limit, "--limit");
  if (left === 0) return EXIT.done;
  for await (const result of open(Math.min(left, 1_000))) {
    // Not faster than standard output is read.
    await write(`${lineOf(result)}\n`);
    if (--left <= 0) break;
  }
  return EXIT.done;
}

function conditions<Ttl extends number | "keep" = number | "keep">({ expect, ttl }: Options) {
  return {
    ...(expect !== undefined && { expect: wholeNumber(expect, "--expect") }),
    ...(ttl !== undefined && { ttl: (ttl === "keep" ? ttl : Number(numberText(ttl, "--ttl").text)) as Ttl }),
  };
}

function json(text = ""): JsonText | Promise<JsonText> {
  return text === "-" ? readStdin() : readJson(text);
}

async function jsons(texts: readonly string[]): Promise<JsonText[]> {
  if (texts.filter((text) => text === "-").length > 1) throw new UsageError("Standard input can be one argument only.");
  return Promise.all(texts.map(json));
}

/** A number as JSON writes it. */
function numberText(text: string, name = "BY"): JsonText {
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return new JsonText(text);
  throw new UsageError(`${name} must be a number.`);
}

export function wholeNumber(text: string, name: string): number {
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`${name} must be a whole number.`);
}
