#!/usr/bin/env node
// The command line: one call of memX per run, or a stream of changes. Prints JSON, one line for each result.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OPTIONS, type OptionName, readArguments, UsageError } from "./cli-arguments.ts";
import { COMMANDS, type Command } from "./cli-commands.ts";
import { rawCodec, textCodec } from "./cli-json.ts";
import { readApiKey } from "./cli-key.ts";
import { exitCode, watchOutput, write } from "./cli-output.ts";
import { MemX } from "./memx.ts";
import { JSON_CODEC, readOptions } from "./options.ts";

const EVERY_COMMAND: readonly OptionName[] = ["key-file", "key", "url", "agent", "help", "version"];
const STDIN = "JSON can be -, which reads it from standard input.";

watchOutput();
try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = exitCode(error);
}

async function run(argv: string[]): Promise<number> {
  const { options, positionals } = readArguments(argv);
  if (options.version) return write(`${version()}\n`);
  const name = [positionals.slice(0, 2).join(" "), positionals[0] ?? ""].find((each) => Object.hasOwn(COMMANDS, each));
  if (name === undefined) {
    if (options.help) return write(help());
    const fault = positionals[0] === undefined ? "No command." : `Unknown command: ${positionals[0]}.`;
    throw new UsageError(`${fault} Run memx-sdk --help for the commands.`);
  }
  const { usage, takes = [], needsNoKey, run } = COMMANDS[name] as Command;
  if (options.help) return write(helpOf(name));
  const foreign = (Object.keys(options) as OptionName[]).find((each) => ![...EVERY_COMMAND, ...takes].includes(each));
  if (foreign) throw new UsageError(`The command ${name} has no option --${foreign}. Run memx-sdk ${name} --help.`);
  const args = positionals.slice(name.split(" ").length);
  const wanted = usage.split(" ").filter(Boolean);
  const least = wanted.filter((argument) => !argument.startsWith("[")).length;
  const most = usage.endsWith("...") ? Number.POSITIVE_INFINITY : wanted.length;
  if (args.length < least || args.length > most) throw new UsageError(`Usage: memx-sdk ${name} ${usage}`.trimEnd());
  const apiKey = readApiKey(options);
  if (!needsNoKey && !(apiKey ?? process.env.MEMX_API_KEY)) {
    throw new UsageError("No API key. Set MEMX_API_KEY, or pass --key-file.");
  }
  const { url: baseUrl, agent } = options;
  const settings = { apiKey, baseUrl, agent, [JSON_CODEC]: textCodec };
  return run(new MemX(settings), args, options, () => readOptions({ apiKey, baseUrl, agent, [JSON_CODEC]: rawCodec }));
}

function help(): string {
  const commands = Object.entries(COMMANDS).map(([name, { usage, does }]) => row(`${name} ${usage}`, does));
  const options = (Object.keys(OPTIONS) as OptionName[]).map(optionRow);
  return `Usage: memx-sdk COMMAND [ARGUMENTS] [OPTIONS]

Commands
${commands.join("\n")}
${STDIN}
Everything after -- is an argument: memx-sdk get -- --key

Options. memx-sdk COMMAND --help lists those of a command.
${options.join("\n")}

Exit codes: 0 done, 1 refused by memX, 2 wrong usage, 3 no value or no schema,
4 conflict: the key has changed, 5 memX cannot be reached, 6 the output cannot be written.
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

function version(): string {
  return JSON.parse(readFileSync(fileURLToPath(new URL("../../package.json", import.meta.url).href), "utf8")).version;
}
