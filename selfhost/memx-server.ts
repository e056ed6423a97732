#!/usr/bin/env node
// `npx memx-server`: what `npm start` runs, with its most common settings as options. Options take precedence over the
// environment, and the environment over a file `.env`. Nothing here may need a newer Node before its version was checked.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parsePort } from "../config/port.ts";

/** The first with SQLite built in. */
const MIN_NODE = [22, 13];

const OPTIONS = {
  port: { type: "string", value: " PORT", does: "Port to listen on. Default: MEMX_PORT, or 8000." },
  host: { type: "string", value: " ADDRESS", does: "Address to listen on. Default: MEMX_HOST, or 127.0.0.1." },
  data: { type: "string", value: " FOLDER", does: "Folder for the data. Default: MEMX_DATA_DIR, or ./data." },
  redis: { type: "string", value: " URL", does: "Redis as the store. Default: REDIS_URL, or none." },
  key: {
    type: "string",
    multiple: true,
    value: " API_KEY",
    does: "API key with all rights, repeatable. Default: MEMX_ACL. Other users of the machine can see it.",
  },
  help: { type: "boolean", short: "h", value: "", does: "Print this help." },
  version: { type: "boolean", value: "", does: "Print the version." },
} as const;

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");

try {
  await run(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function run(args: string[]): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [minMajor = 0, minMinor = 0] = MIN_NODE;
  if (major < minMajor || (major === minMajor && minor < minMinor)) {
    throw new Error(`memx-server needs Node ${MIN_NODE.join(".")} or later. This is Node ${process.versions.node}.`);
  }
  const options = readOptions(args);
  if (options.version) return console.log(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
  if (options.help) return console.log(help());
  Object.assign(process.env, settingsOf(options));
  // Reads them.
  await import("./start.ts");
}

/** @throws {Error} for an unknown option, a missing value, or an argument that is none */
function readOptions(args: string[]) {
  const { values, positionals, tokens } = parse(args);
  if (positionals.length > 0) throw wrong(`memx-server takes no argument ${positionals[0]}.`);
  const names = tokens.filter((token) => token.kind === "option").map(({ name }) => name);
  const twice = names.find((name, index) => name !== "key" && names.indexOf(name) !== index);
  if (twice) throw wrong(`The option --${twice} is there twice.`);
  for (const [name, value] of Object.entries(values)) {
    if ([value].flat().includes("")) throw wrong(`The option --${name} needs a value.`);
  }
  return values;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true, tokens: true });
  } catch (error) {
    // Node's own message continues with advice about positional arguments.
    const [fault] = (error as Error).message.split(/\. |\n/);
    throw wrong(`${fault?.replace(/\.$/, "")}.`);
  }
}

/** @throws {Error} if they contradict the rest of the environment, or would open memX to all with a public API key */
function settingsOf({ port, host, data, redis, key: keys }: ReturnType<typeof readOptions>): NodeJS.ProcessEnv {
  if (port !== undefined && parsePort(port) === undefined) throw wrong("--port must be a number from 0 to 65535.");
  loadEnvFile();
  const address = host ?? (process.env.MEMX_HOST || process.env.HOST || "127.0.0.1");
  if (keys && (process.env.SUPABASE_URL || process.env.SUPABASE_SERVICE_KEY)) {
    throw wrong("--key does not work with SUPABASE_URL, whose project then has all API keys.");
  }
  if (keys?.includes("local_dev_key") && !/^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(address)) {
    throw wrong(`Everybody knows the API key local_dev_key, so memX does not accept it on ${address}.`);
  }
  return {
    ...(port !== undefined && { MEMX_PORT: port }),
    ...(host !== undefined && { MEMX_HOST: host }),
    ...(data !== undefined && { MEMX_DATA_DIR: data }),
    ...(redis !== undefined && { REDIS_URL: redis }),
    ...(keys && { MEMX_ACL: JSON.stringify(Object.fromEntries(keys.map((key) => [key, ["*"]]))) }),
  };
}

function loadEnvFile(): void {
  try {
    process.loadEnvFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function help(): string {
  const rows = Object.entries(OPTIONS).map(([name, { value, does }]) => `  --${`${name}${value}`.padEnd(16)} ${does}`);
  const config = readFileSync(join(folder, "config/workerd.capnp"), "utf8");
  const ofWorker = Array.from(config.matchAll(/fromEnvironment = "(\w+)"/g), ([, name]) => name);
  const settings = ["PROCESSES", ...ofWorker].map((name) => `  ${name}`);
  return `Usage: memx-server [OPTIONS]

Serves memX, the real-time shared memory for teams of AI agents, until it is interrupted.

  npx memx-server --key local_dev_key

Options
${rows.join("\n")}

Settings from the environment or from a file .env, besides those above
${settings.join("\n")}`;
}

function wrong(fault: string): Error {
  return new Error(`${fault} Run memx-server --help for the options.`);
}
