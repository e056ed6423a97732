// Standard output, and the exit codes.

import { MemxError, NetworkError, NotFoundError, TimeoutError, UnavailableError } from "./errors.ts";

export const EXIT = { done: 0, refused: 1, usage: 2, nothing: 3, conflict: 4, unreachable: 5, output: 6 } as const;

export function watchOutput(): void {
  process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    // The reader has seen enough, as with `head`.
    if (code === "EPIPE") process.exit(EXIT.done);
    process.stderr.write(`The output cannot be written: ${message}\n`);
    process.exit(EXIT.output);
  });
  process.stderr.on("error", () => {
    // There is nowhere left to say it.
  });
}

/** Resolves with the exit code once standard output takes more. */
export async function write(text: string): Promise<number> {
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  return EXIT.done;
}

/** Every error that is not memX's is one of the arguments or of the input. */
export function exitCode(error: unknown): number {
  if (!(error instanceof MemxError)) return EXIT.usage;
  if (error.code === "unexpected_answer") return EXIT.unreachable;
  if (error instanceof NotFoundError) return EXIT.nothing;
  if (error instanceof NetworkError || error instanceof TimeoutError || error instanceof UnavailableError)
    return EXIT.unreachable;
  return error.code === "conflict" ? EXIT.conflict : EXIT.refused;
}
