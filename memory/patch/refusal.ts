// The error that ends a patch that cannot be applied. It never leaves this folder: `applyPatch` returns an outcome.

export type RefusalCode = "invalid_request" | "conflict" | "too_complex";

/** The message is for the caller, so it never contains a stored value. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The patch itself is wrong, or would exceed a limit. */
export function invalid(message: string): Refusal {
  return new Refusal("invalid_request", message);
}

/** The patch could apply to another value, but not to the current one. */
export function conflict(message: string): Refusal {
  return new Refusal("conflict", message);
}

/** Runs a step, and puts `label` before the message of its refusal. */
export function labeled<T>(label: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof Refusal) throw new Refusal(error.code, `${label}: ${error.message}`);
    throw error;
  }
}
