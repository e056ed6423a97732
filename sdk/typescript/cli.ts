#!/usr/bin/env node
// The command line: one call of memX per run, or a stream of changes. Prints JSON, one line for each result.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { EVENT_FILTERS, type EventFilter } from "../protocol.ts";
import { MemxError, NetworkError, NotFoundError, TimeoutError, UnavailableError } from "./errors.ts";
import { MemX } from "./memx.ts";

const OPTIONS = {
  key: { type: "string", value: " API_KEY", does: "API key. Default: the environment variable MEMX_API_KEY." },
  url: { type: "string", value: " URL", does: "URL of memX. Default: MEMX_BASE_URL, or http://127.0.0.1:8000." },
  expect: {
    type: "string",
    value: " REVISION",
    does: "Write only at this current revision. 0: only if there is none.",
  },
  ttl: { type: "string", value: " SECONDS", does: "Time until the value expires." },
  values: { type: "boolean", value: "", does: "Print the values too." },
  limit: { type: "string", value: " N", does: "Stop after N lines." },
  event: { type: "string", value: " KIND", does: "Which changes: value (default), schema or all." },
  snapshot: { type: "boolean", value: "", does: "Begin with the current entries." },
  since: { type: "string", value: " REVISION", does: "Begin after this revision." },
  help: { type: "boolean", value: "", short: "h", does: "Print this help, or the help of a command." },
  version: { type: "boolean", value: "", does: "Print the version." },
} as const;

type OptionName = keyof typeof OPTIONS;
type Options = ReturnType<typeof parse>["values"];

const EVERY_COMMAND: readonly OptionName[] = ["key", "url", "help", "version"];

type Command = {
  /** Its arguments. One in brackets may be absent, and one with dots may be repeated. */
  readonly usage: string;
  readonly does: string;
  readonly takes?: readonly OptionName[];
  readonly run: (memx: MemX, args: string[], options: Options) => Promise<number>;
};

const WRITES = ["expect", "ttl"] as const;
const STDIN = "JSON can be -, which reads it from standard input.";

const COMMANDS: Readonly<Record<string, Command>> = {
  get: {
    usage: "KEY",
    does: "Print the key's value with its ts and revision.",
    run: async (memx, [key = ""]) => print(await memx.get(key)),
  },
  set: {
    usage: "KEY JSON",
    does: "Write a value.",
    takes: WRITES,
    run: async (memx, [key = "", value], options) => print(await memx.set(key, json(value), conditions(options))),
  },
  merge: {
    usage: "KEY JSON",
    does: "Merge an object into the value (RFC 7396).",
    takes: WRITES,
    run: async (memx, [key = "", value], options) => print(await memx.merge(key, json(value), conditions(options))),
  },
  patch: {
    usage: "KEY JSON",
    does: "Apply a JSON Patch (RFC 6902).",
    takes: WRITES,
    run: async (memx, [key = "", operations], options) =>
      print(await memx.patch(key, json(operations) as never, conditions(options))),
  },
  increment: {
    usage: "KEY [BY]",
    does: "Add BY, by default 1, to a number.",
    takes: WRITES,
    run: async (memx, [key = "", by = "1"], options) =>
      print(await memx.increment(key, number(by, "BY"), conditions(options))),
  },
  append: {
    usage: "KEY JSON...",
    does: "Add items to the end of an array.",
    takes: WRITES,
    run: async (memx, [key = "", ...items], options) =>
      print(await memx.append(key, items.map(json), conditions(options))),
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
    run: (memx, [prefix = ""], { values = false, limit }) => printAll(memx.keys({ prefix, values }), limit),
  },
  history: {
    usage: "KEY",
    does: "List the key's changes, newest first.",
    takes: ["limit"],
    run: (memx, [key = ""], { limit }) => printAll(memx.history(key), limit),
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
      print(await memx.setSchema(key, json(schema) as never, conditions(options))),
  },
  "schema delete": {
    usage: "KEY",
    does: "Delete the key's JSON Schema.",
    takes: ["expect"],
    run: async (memx, [key = ""], options) => print(await memx.deleteSchema(key, conditions(options))),
  },
  health: {
    usage: "",
    does: "Check that memX and its store respond. Needs no API key.",
    run: async (memx) => print(await memx.health()),
  },
};

const EXIT = { refused: 1, usage: 2, nothing: 3, conflict: 4, unreachable: 5 } as const;

class UsageError extends Error {}

// The reader has seen enough, as with `head`.
process.stdout.on("error", () => process.exit(0));

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = exitCode(error);
}

async function run(argv: string[]): Promise<number> {
  const { values: options, positionals } = parse(argv);
  if (options.version) return write(`${version()}\n`);
  const name = [positionals.slice(0, 2).join(" "), positionals[0] ?? ""].find((each) => Object.hasOwn(COMMANDS, each));
  if (name === undefined) {
    if (options.help) return write(help());
    const fault = positionals[0] === undefined ? "No command." : `Unknown command: ${positionals[0]}.`;
    throw new UsageError(`${fault} Run memx-sdk --help for the commands.`);
  }
  const { usage, takes = [], run } = COMMANDS[name] as Command;
  if (options.help) return write(helpOf(name));
  const foreign = (Object.keys(options) as OptionName[]).find((each) => ![...EVERY_COMMAND, ...takes].includes(each));
  if (foreign) throw new UsageError(`The command ${name} has no option --${foreign}. Run memx-sdk ${name} --help.`);
  const args = positionals.slice(name.split(" ").length);
  const wanted = usage.split(" ").filter(Boolean);
  const least = wanted.filter((argument) => !argument.startsWith("[")).length;
  const most = usage.endsWith("...") ? Number.POSITIVE_INFINITY : wanted.length;
  if (args.length < least || args.length > most) throw new UsageError(`Usage: memx-sdk ${name} ${usage}`.trimEnd());
  return run(new MemX({ apiKey: options.key, baseUrl: options.url }), args, options);
}

function parse(argv: string[]) {
  // A negative number is an argument, not an option: a space hides it from `parseArgs`.
  const args = argv.map((argument) => (/^-\d/.test(argument) ? ` ${argument}` : argument));
  try {
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    return { values, positionals: positionals.map((argument) => argument.replace(/^ (?=-\d)/, "")) };
  } catch (error) {
    // The messages of `parseArgs` are long, and some have several lines.
    const { message } = error as Error;
    const option = /'(?:-\w, )?(-[^\s']*)/.exec(message)?.[1] ?? "";
    const fault = message.startsWith("Unknown option")
      ? `Unknown option: ${option}.`
      : `The option ${option} ${message.includes("does not take") ? "takes no value" : "needs a value"}.`;
    throw new UsageError(`${fault} Run memx-sdk --help for the options.`);
  }
}

function help(): string {
  const commands = Object.entries(COMMANDS).map(([name, { usage, does }]) => row(`${name} ${usage}`, does));
  const options = (Object.keys(OPTIONS) as OptionName[]).map(optionRow);
  return `Usage: memx-sdk COMMAND [ARGUMENTS] [OPTIONS]

Commands
${commands.join("\n")}
${STDIN}

Options. memx-sdk COMMAND --help lists those of a command.
${options.join("\n")}

Exit codes: 0 done, 1 refused by memX, 2 wrong usage, 3 no value or no schema,
4 conflict: the key has changed, 5 memX cannot be reached.
`;
}

function helpOf(name: string): string {
  const { usage, does, takes = [] } = COMMANDS[name] as Command;
  const title = `Usage: memx-sdk ${name} ${usage}`.trimEnd();
  const text = usage.includes("JSON") ? `${does} ${STDIN}` : does;
  return `${title}\n\n${text}\n\nOptions\n${[...takes, ...EVERY_COMMAND].map(optionRow).join("\n")}\n`;
}

function optionRow(name: OptionName): string {
  return row(`--${name}${OPTIONS[name].value}`, OPTIONS[name].does);
}

function row(left: string, right: string): string {
  return `  ${left.padEnd(22)}${right}`;
}

function conditions({ expect, ttl }: Options): { expect?: number; ttl?: number } {
  return {
    ...(expect !== undefined && { expect: wholeNumber(expect, "--expect") }),
    ...(ttl !== undefined && { ttl: number(ttl, "--ttl") }),
  };
}

async function watch(memx: MemX, patterns: string[], { event = "value", snapshot, since, limit }: Options) {
  if (!(EVENT_FILTERS as readonly string[]).includes(event))
    throw new UsageError("--event must be value, schema or all.");
  const subscription = memx.watch(patterns, {
    event: event as EventFilter,
    ...(snapshot && { snapshot }),
    ...(since !== undefined && { since: wholeNumber(since, "--since") }),
    onReset: (revision) => process.stderr.write(`reset: memX no longer knows every change before ${revision}\n`),
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => subscription.close());
  return printAll(subscription, limit);
}

function print(result: unknown): number {
  return result === null ? EXIT.nothing : write(`${JSON.stringify(result)}\n`);
}

async function printAll(results: AsyncIterable<unknown>, limit: string | undefined): Promise<number> {
  let left = limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(limit, "--limit");
  if (left === 0) return 0;
  for await (const result of results) {
    // Not faster than standard output is read.
    if (!process.stdout.write(`${JSON.stringify(result)}\n`))
      await new Promise((resolve) => process.stdout.once("drain", resolve));
    if (--left <= 0) break;
  }
  return 0;
}

function write(text: string): number {
  process.stdout.write(text);
  return 0;
}

function json(text = ""): unknown {
  try {
    return JSON.parse(text === "-" ? readFileSync(0, "utf8") : text);
  } catch {
    const what = text === "-" ? "standard input" : text;
    throw new UsageError(`Not valid JSON: ${what}. A string needs its own quotes: '"like this"'.`);
  }
}

function number(text: string, name: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`${name} must be a number.`);
  return value;
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,16}$/.test(text)) throw new UsageError(`${name} must be a whole number.`);
  return Number(text);
}

function version(): string {
  return JSON.parse(readFileSync(fileURLToPath(import.meta.resolve("../../package.json")), "utf8")).version;
}

function exitCode(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof NotFoundError) return EXIT.nothing;
  if (error instanceof NetworkError || error instanceof TimeoutError || error instanceof UnavailableError)
    return EXIT.unreachable;
  if (error instanceof MemxError) return error.code === "conflict" ? EXIT.conflict : EXIT.refused;
  return EXIT.usage;
}
