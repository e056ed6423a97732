// Ends a patch that can not be applied. It never leaves this folder: applyPatch returns it as an outcome.

export type RefusalCode = "invalid_request" | "conflict";

/** The message is for the caller, so it holds nothing of what is stored. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What is wrong in itself, or would break a limit. */
export function invalid(message: string): Refusal {
  return new Refusal("invalid_request", message);
}

/** What is wrong only because of what the key holds. */
export function conflict(message: string): Refusal {
  return new Refusal("conflict", message);
}

/** Runs a step, and has its refusal begin with `label`. */
export function labelled<T>(label: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(error.code, `${label}: ${error.message}`);
    throw error;
  }
}
