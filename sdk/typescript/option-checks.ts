// Checks of single options. Of the numbers: `setTimeout` and `AbortSignal.timeout` take a number that makes no sense for another one,
// or throw where no caller expects it.

/** `setTimeout` fires at once for more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** @throws {TypeError} unless it is a time that a timer can wait for */
export function readMs(name: string, ms: number): number {
  // A fraction of a millisecond suits no timer.
  const whole = Math.round(ms);
  if (typeof ms === "number" && whole >= 1 && whole <= MAX_TIMER_MS) return whole;
  throw new TypeError(`\`${name}\` must be a number of milliseconds from 1 to ${MAX_TIMER_MS}, not ${ms}.`);
}

/** @throws {TypeError} unless it is a whole number, or infinite */
export function readRetries(retries: number): number {
  if (retries >= 0 && (Number.isSafeInteger(retries) || retries === Number.POSITIVE_INFINITY)) return retries;
  throw new TypeError(`\`retries\` must be a whole number, 0 for none, not ${retries}.`);
}

/** @throws {TypeError} if memX would refuse the name */
export function readAgent(agent: string | undefined): string | undefined {
  if (agent === undefined || (typeof agent === "string" && /^(?! )[ -~]{1,64}(?<! )$/.test(agent))) return agent;
  throw new TypeError("`agent` must have 1 to 64 visible ASCII characters, with spaces only between them.");
}

/** @throws {TypeError} unless it is a function */
export function requireFunction<F>(name: string, option: F | undefined): F | undefined {
  if (option !== undefined && typeof option !== "function")
    throw new TypeError(`The option ${name} must be a function.`);
  return option;
}
