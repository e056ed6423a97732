// Texts that name something, checked before anything is sent: memX would refuse some of them, and others would reach it as
// the name of something else.

import { InvalidRequestError } from "./errors.ts";

/** As in config/limits.ts of memX. */
const MAX_KEY_BYTES = 512;
const MAX_PATTERN_CHARS = 512;

/** @throws {InvalidRequestError} if no key can have this text */
export function checkKey(key: unknown): asserts key is string {
  checkText(key, "A key");
  const bytes = new TextEncoder().encode(key).length;
  if (bytes === 0 || bytes > MAX_KEY_BYTES || /\p{Cc}/u.test(key)) {
    throw invalid(`A key must have 1 to ${MAX_KEY_BYTES} bytes of UTF-8 and no control characters.`);
  }
}

/** @throws {InvalidRequestError} for a pattern that memX would refuse, and the shared socket with it */
export function checkPattern(pattern: unknown): asserts pattern is string {
  checkText(pattern, "A pattern");
  const length = Array.from(pattern).length;
  if (length === 0 || length > MAX_PATTERN_CHARS)
    throw invalid(`A pattern must have 1 to ${MAX_PATTERN_CHARS} characters.`);
}

/**
 * UTF-8 has no half surrogate pairs. URLs and headers have U+FFFD in their place, and so name something else.
 *
 * @throws {InvalidRequestError} for half a surrogate pair, and for what is not text
 */
export function checkText(text: unknown, name: string): asserts text is string {
  if (typeof text !== "string") throw invalid(`${name} must be a string, not ${text === null ? "null" : typeof text}.`);
  if (!text.isWellFormed()) throw invalid(`${name} must not have half of a surrogate pair: ${JSON.stringify(text)}.`);
}

function invalid(message: string): InvalidRequestError {
  return new InvalidRequestError("invalid_request", message);
}
