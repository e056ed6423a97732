// Where the command line finds its API key: in a file, or in the environment. An argument works too, and is not secret.

import { readFileSync } from "node:fs";
import { type Options, UsageError } from "./cli-arguments.ts";

/**
 * Returns the API key, or nothing, which leaves it to MEMX_API_KEY. An argument takes precedence over the environment,
 * so that a command does what it says.
 *
 * @throws {UsageError}
 */
export function readApiKey({ key, "key-file": file }: Options): string | undefined {
  if (key !== undefined && file !== undefined) throw new UsageError("--key and --key-file exclude each other.");
  if (key) {
    process.stderr.write(
      "Warning: other users of this machine can see --key in its list of processes. Use MEMX_API_KEY or --key-file.\n",
    );
  }
  if (file === undefined) return key;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`--key-file: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
  const [apiKey = "", ...rest] = text.trim().split(/\s+/);
  if (apiKey === "" || rest.length > 0) throw new UsageError(`--key-file: ${file} must contain one API key.`);
  return apiKey;
}
