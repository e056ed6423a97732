// The arguments of the command line: which options there are, and which arguments are none.

import { readFileSync } from "node:fs";

export const OPTIONS = {
  "key-file": { type: "string", value: " FILE", does: "File with the API key. Default: the key in MEMX_API_KEY." },
  key: { type: "string", value: " API_KEY", does: "API key, which other users of the machine can then see." },
  url: { type: "string", value: " URL", does: "URL of memX. Default: MEMX_BASE_URL, or http://127.0.0.1:8000." },
  agent: { type: "string", value: " NAME", does: "Name that memX keeps with what you write." },
  expect: {
    type: "string",
    value: " REVISION",
    does: "Write only at this current revision. 0: only if there is none.",
  },
  ttl: { type: "string", value: " SECONDS", does: "Time until the value expires, or keep for the time that is left." },
  values: { type: "boolean", value: "", does: "Print the values too." },
  limit: { type: "string", value: " N", does: "Stop after N lines." },
  event: { type: "string", value: " KIND", does: "Which changes: value (default), schema or all." },
  snapshot: { type: "boolean", value: "", does: "Begin with the current entries." },
  since: { type: "string", value: " REVISION", does: "Begin after this revision." },
  "dry-run": { type: "boolean", value: "", does: "Only say what the import would do." },
  "skip-existing": { type: "boolean", value: "", does: "Leave every key as it is that has a value or schema." },
  overwrite: { type: "boolean", value: "", does: "Replace values too that are newer than those of the file." },
  "from-line": { type: "string", value: " N", does: "Begin with line N, where an earlier import has stopped." },
  "from-original": { type: "string", value: " URL", does: "Import from the Redis of an original memX: redis://HOST." },
  namespace: {
    type: "string",
    value: " NAME",
    does: "The namespace there: the keys that begin with NAME:, without it. Empty: keys without one.",
  },
  help: { type: "boolean", value: "", does: "Print this help, or the help of a command." },
  version: { type: "boolean", value: "", does: "Print the version." },
} as const;

export type OptionName = keyof typeof OPTIONS;

export type Options = {
  readonly [Name in OptionName]?: (typeof OPTIONS)[Name]["type"] extends "boolean" ? true : string;
};

export class UsageError extends Error {}

/**
 * Separates the options from the other arguments, which stay as they are. Not with `parseArgs` of Node, which takes a key
 * such as `-100123` for options.
 *
 * @throws {UsageError}
 */
export function readArguments(argv: readonly string[]): { options: Options; positionals: string[] } {
  checkBytes(argv);
  const options: { [Name in OptionName]?: string | true } = {};
  const positionals: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] as string;
    if (argument === "--") {
      positionals.push(...argv.slice(i + 1));
      break;
    }
    if (!isOption(argument)) {
      positionals.push(argument);
      continue;
    }
    const [flag = "", inline] = argument === "-h" ? ["--help"] : splitOnce(argument, "=");
    const name = flag.slice(2) as OptionName;
    if (!flag.startsWith("--") || !Object.hasOwn(OPTIONS, name)) throw wrong(`Unknown option: ${flag}.`);
    if (options[name] !== undefined) throw wrong(`The option ${flag} is there twice.`);
    if (OPTIONS[name].type === "boolean") {
      if (inline !== undefined) throw wrong(`The option ${flag} takes no value.`);
      options[name] = true;
      continue;
    }
    const value = inline ?? argv[++i];
    if (value === undefined || (inline === undefined && isOption(value))) {
      throw wrong(`The option ${flag} needs a value.`);
    }
    options[name] = value;
  }
  return { options: options as Options, positionals };
}

/** A lone `-` is standard input. A `-` before a digit begins a number, or a key. */
function isOption(argument: string): boolean {
  return /^-[^\d]/.test(argument);
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function wrong(fault: string): UsageError {
  return new UsageError(`${fault} Run memx-sdk --help for the options.`);
}

/** Node puts U+FFFD in the place of bytes that are not UTF-8, which would make another key or value of the argument. */
function checkBytes(argv: readonly string[]): void {
  if (!argv.some((argument) => argument.includes("\ufffd") || !argument.isWellFormed())) return;
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync("/proc/self/cmdline"));
  } catch {
    throw new UsageError("An argument is not valid UTF-8.");
  }
}
