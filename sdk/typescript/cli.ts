#!/usr/bin/env node
// The command line: one call of memX per run, or a feed of changes. Prints JSON, one line for each thing.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { EventFilter } from "../protocol.ts";
import { MemxError, NetworkError, NotFoundError, TimeoutError, UnavailableError } from "./errors.ts";
import { MemX } from "./memx.ts";

const HELP = `memx-sdk <command> [arguments]

  get KEY                    what the key holds
  set KEY JSON               write a value; - reads it from standard input
  merge KEY JSON             merge into the value (RFC 7396)
  patch KEY JSON             apply a JSON Patch (RFC 6902)
  increment KEY [BY]         add to a number
  append KEY JSON...         add items to an array
  delete KEY
  keys [PREFIX]              keys that hold a value; with --values what they hold
  history KEY                what happened to the key, newest first
  watch PATTERN...           live changes, until interrupted
  schema get KEY
  schema set KEY JSON        - reads it from standard input
  schema delete KEY
  health

Options
  --key API_KEY              instead of MEMX_API_KEY
  --url URL                  instead of MEMX_BASE_URL, http://127.0.0.1:8000 by default
  --expect REVISION          set, merge, patch, increment, append, delete: only if this is the key's revision
  --ttl SECONDS              set, merge, patch, increment, append
  --values                   keys
  --limit N                  keys, history, watch: end after so many lines
  --event value|schema|all   watch: which changes
  --snapshot                 watch: begin with what is held
  --since REVISION           watch: begin with what came after it
  --help, --version

Exit codes: 0 done, 1 memX refused, 2 wrong usage, 3 the key holds nothing or there is no schema,
4 the key has changed (conflict), 5 memX can not be reached.
`;

const EXIT = { refused: 1, usage: 2, nothing: 3, conflict: 4, unreachable: 5 } as const;

class UsageError extends Error {}

// Whoever reads has seen enough, as `head` does.
process.stdout.on("error", () => process.exit(0));

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = exitCode(error);
}

async function run(argv: string[]): Promise<number> {
  const { values: options, positionals } = parse(argv);
  if (options.help) return print(HELP);
  if (options.version) return print(`${version()}\n`);
  const [command = "", ...args] = positionals;
  const memx = new MemX({ apiKey: options.key, baseUrl: options.url });
  const [key = ""] = args;
  const write = {
    ...(options.expect !== undefined && { expect: wholeNumber(options.expect, "--expect") }),
    ...(options.ttl !== undefined && { ttl: number(options.ttl, "--ttl") }),
  };
  switch (`${command}/${args.length}`) {
    case "get/1":
      return tell(await memx.get(key));
    case "set/2":
      return tell(await memx.set(key, json(args[1]), write));
    case "merge/2":
      return tell(await memx.merge(key, json(args[1]), write));
    case "patch/2":
      return tell(await memx.patch(key, json(args[1]) as never, write));
    case "increment/1":
    case "increment/2":
      return tell(await memx.increment(key, number(args[1] ?? "1", "BY"), write));
    case "delete/1":
      return tell(await memx.delete(key, write));
    case "keys/0":
    case "keys/1":
      return tellAll(memx.keys({ prefix: key, values: options.values ?? false }), options.limit);
    case "history/1":
      return tellAll(memx.history(key), options.limit);
    case "schema/2":
      return schema(memx, key, args[1] as string, undefined);
    case "schema/3":
      return schema(memx, key, args[1] as string, args[2]);
    case "health/0":
      return tell(await memx.health());
  }
  if (command === "append" && args.length > 1) return tell(await memx.append(key, args.slice(1).map(json), write));
  if (command === "watch" && args.length > 0) return watch(memx, args, options);
  throw new UsageError(`That is no command of memx-sdk: ${positionals.join(" ") || "(none)"}. See memx-sdk --help.`);
}

function parse(argv: string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    key: text,
    url: text,
    expect: text,
    ttl: text,
    values: flag,
    limit: text,
    event: text,
    snapshot: flag,
    since: text,
    help: { type: "boolean", short: "h" },
    version: flag,
  } as const;
  // A negative number is an argument, not an option.
  const args = argv.map((argument) => (/^-\d/.test(argument) ? ` ${argument}` : argument));
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function schema(memx: MemX, action: string, key: string, text: string | undefined): Promise<number> {
  if (action === "get" && text === undefined) return tell(await memx.getSchema(key));
  if (action === "delete" && text === undefined) return tell(await memx.deleteSchema(key));
  if (action === "set" && text !== undefined) return tell(await memx.setSchema(key, json(text) as never));
  throw new UsageError("schema get KEY, schema set KEY JSON or schema delete KEY");
}

async function watch(
  memx: MemX,
  patterns: string[],
  { event, snapshot, since, limit }: { event?: string; snapshot?: boolean; since?: string; limit?: string },
): Promise<number> {
  if (event !== undefined && !["value", "schema", "all"].includes(event))
    throw new UsageError("--event value|schema|all");
  const subscription = memx.watch(patterns, {
    event: (event ?? "value") as EventFilter,
    ...(snapshot && { snapshot }),
    ...(since !== undefined && { since: wholeNumber(since, "--since") }),
    onReset: (revision) => process.stderr.write(`reset: what came before ${revision} is no longer known\n`),
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => subscription.close());
  return tellAll(subscription, limit);
}

function tell(answer: unknown): number {
  if (answer === null) return EXIT.nothing;
  return print(`${JSON.stringify(answer)}\n`);
}

async function tellAll(answers: AsyncIterable<unknown>, limit: string | undefined): Promise<number> {
  let left = limit === undefined ? Number.POSITIVE_INFINITY : wholeNumber(limit, "--limit");
  if (left === 0) return 0;
  for await (const answer of answers) {
    // As fast as it is read, and no faster.
    if (!process.stdout.write(`${JSON.stringify(answer)}\n`))
      await new Promise((resolve) => process.stdout.once("drain", resolve));
    if (--left <= 0) break;
  }
  return 0;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function json(text = ""): unknown {
  try {
    return JSON.parse(text === "-" ? readFileSync(0, "utf8") : text);
  } catch {
    throw new UsageError(`This has to be JSON: ${text}. A text stands in quotes of its own: '"like this"'.`);
  }
}

function number(text: string, name: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`${name} has to be a number.`);
  return value;
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,16}$/.test(text)) throw new UsageError(`${name} has to be a whole number.`);
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
