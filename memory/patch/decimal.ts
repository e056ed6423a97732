// JSON numbers as exact decimals, never as doubles.

import type { JsonText } from "../../sdk/protocol.ts";

/** ± digits × 10^exponent, with no zero at either end of the digits. Zero has no digits, no sign and no exponent. */
type Decimal = { readonly negative: boolean; readonly digits: string; readonly exponent: bigint };

const ZERO: Decimal = { negative: false, digits: "", exponent: 0n };

/** Digits of a sum. Enough for any double (324 digits after the point, and 17 more) plus a practical integer. */
export const MAX_SUM_DIGITS = 400;

/** Whether a trimmed JSON text is a number. */
export function isNumber(text: JsonText): boolean {
  return /^[-0-9]/.test(text);
}

/** Whether two JSON numbers are numerically equal, whatever their notation. */
export function sameNumber(a: JsonText, b: JsonText): boolean {
  const [x, y] = [readDecimal(a), readDecimal(b)];
  return x.negative === y.negative && x.digits === y.digits && x.exponent === y.exponent;
}

/**
 * The exact sum of two JSON numbers, without an exponent and without insignificant zeros.
 * @returns null if the sum has more than `MAX_SUM_DIGITS` digits or does not fit in a 64-bit float
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
  // Checked before any digits are built: 1e-999999999 is a JSON number too.
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
  // Loops, because a regular expression for trailing zeros takes quadratic time.
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
