// JSON numbers as the exact decimals that they are written as, never as doubles.

import type { JsonText } from "../../sdk/protocol.ts";

/** ± digits × 10^exponent, with no zero at either end of the digits. Zero has none, no sign and no exponent. */
type Decimal = { readonly negative: boolean; readonly digits: string; readonly exponent: bigint };

const ZERO: Decimal = { negative: false, digits: "", exponent: 0n };

/** Digits of a sum. Room for each double (324 after the point, and 17) beside an integer of any use. */
export const MAX_SUM_DIGITS = 400;

/** Whether a JSON text, without white space around it, is that of a number. */
export function isNumber(text: JsonText): boolean {
  return /^[-0-9]/.test(text);
}

/** Whether two JSON numbers are numerically equal, however they are written. */
export function sameNumber(a: JsonText, b: JsonText): boolean {
  const [x, y] = [readDecimal(a), readDecimal(b)];
  return x.negative === y.negative && x.digits === y.digits && x.exponent === y.exponent;
}

/**
 * The exact sum of two JSON numbers, written without an exponent and without zeros that mean nothing.
 * @returns null if it would take more than `MAX_SUM_DIGITS`, or does not fit a 64-bit float
 */
export function addNumbers(a: JsonText, b: JsonText): JsonText | null {
  const terms = [readDecimal(a), readDecimal(b)];
  let lowest = 0n;
  let highest = 1n;
  for (const { digits, exponent } of terms) {
    const end = exponent + BigInt(digits.length);
    if (exponent < lowest) lowest = exponent;
    if (end > highest) highest = end;
  }
  // Before anything is built: 1e-999999999 is a JSON number too.
  if (highest - lowest > BigInt(MAX_SUM_DIGITS)) return null;
  let sum = 0n;
  for (const { negative, digits, exponent } of terms) {
    const term = BigInt(digits) * 10n ** (exponent - lowest);
    sum += negative ? -term : term;
  }
  const text = printScaled(sum, Number(-lowest));
  return Number.isFinite(Number(text)) ? text : null;
}

function readDecimal(text: JsonText): Decimal {
  const [mantissa = "", power = "0"] = text.split(/[eE]/);
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const written = whole + fraction;
  // Loops, because a pattern for the zeros at an end takes quadratic time.
  let start = 0;
  let end = written.length;
  while (written[start] === "0") start++;
  if (start === end) return ZERO;
  while (written[end - 1] === "0") end--;
  const exponent = BigInt(power) + BigInt(whole.length - end);
  return { negative: mantissa.startsWith("-"), digits: written.slice(start, end), exponent };
}

/** `scaled` / 10^places. */
function printScaled(scaled: bigint, places: number): JsonText {
  const sign = scaled < 0n ? "-" : "";
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  return fraction === "" ? sign + whole : `${sign}${whole}.${fraction}`;
}
