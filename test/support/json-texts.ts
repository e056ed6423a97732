// Random JSON texts in every notation for the property tests, and their meaning: exact numbers, and no special names.

import type { JsonText } from "../../sdk/protocol.ts";
import fc from "./properties.ts";

export const NUMBERS = [
  "0",
  "-0",
  "-0.0",
  "1",
  "1.0",
  "1e0",
  "10e-1",
  "9007199254740992",
  "9007199254740993",
  "0.1",
  "1E-400",
  "1.7976931348623157e308",
] as const;

const NAMES = [
  '"a"',
  '"\\u0061b"',
  '"2"',
  '"1"',
  '"__proto__"',
  '"constructor"',
  '""',
  '"a/b"',
  '"m~n"',
  '"😀"',
] as const;
const SCALARS = ["true", "false", "null", '""', '"a"', '"\\u0061"', '"{[,:\\"\\\\"', '"\\/"', '"/"'] as const;
const space = fc.constantFrom("", "", "", " ", "\n\t", "\r ");
export const numberText: fc.Arbitrary<JsonText> = fc.constantFrom(...NUMBERS);

/** Names after parsing. */
export const name = fc.constantFrom(...NAMES).map((text): string => JSON.parse(text));

/** From few names and scalars, so that random paths often exist and random tests often hold. */
export const jsonText: fc.Arbitrary<JsonText> = fc.letrec<{ value: JsonText }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(numberText, fc.constantFrom<JsonText[]>(...SCALARS)),
    fc.tuple(fc.array(fc.tuple(space, tie("value"), space), { maxLength: 3 }), space).map(([items, inside]) => {
      return items.length === 0 ? `[${inside}]` : `[${items.map((item) => item.join("")).join(",")}]`;
    }),
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), tie("value"), space), {
          maxLength: 4,
          selector: ([text]) => text,
        }),
        space,
      )
      .map(([members, inside]) => {
        if (members.length === 0) return `{${inside}}`;
        return `{${members.map(([text, value, gap]) => `${gap}${text}${gap}:${gap}${value}${gap}`).join(",")}}`;
      }),
  ),
})).value;

/** A number as its text. */
export class NumberText {
  readonly text: JsonText;
  constructor(text: JsonText) {
    this.text = text;
  }
}

export type Meaning = string | boolean | null | NumberText | Meaning[] | { [name: string]: Meaning };

/** TypeScript does not know yet that a reviver gets the text of a number. */
const parse = JSON.parse as (
  text: string,
  reviver: (name: string, value: unknown, context: { source?: string }) => unknown,
) => Meaning;

/** The meaning of a text. Objects have no prototype, so that any name can be assigned. */
export function read(text: JsonText): Meaning {
  return parse(text, (_name, value, { source = "" }) => {
    if (typeof value === "number") return new NumberText(source);
    return isObject(value as Meaning) ? Object.assign(Object.create(null), value) : value;
  });
}

export function isObject(value: Meaning | undefined): value is { [name: string]: Meaning } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof NumberText);
}

/** The same text for all values with the same meaning and digits, whatever the order of names. */
export function canonical(value: Meaning): JsonText {
  if (value instanceof NumberText) return value.text;
  if (Array.isArray(value)) return `[${value.map(canonical)}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
  return `{${members.sort()}}`;
}

/** An exact fraction, computed in another way than in the code under test. */
export function fraction(text: JsonText): { over: bigint; under: bigint } {
  const [, sign, whole, part = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const shift = BigInt(power) - BigInt(part.length);
  const digits = BigInt(`${whole}${part}`) * (sign === "-" ? -1n : 1n);
  return shift < 0n ? { over: digits, under: 10n ** -shift } : { over: digits * 10n ** shift, under: 1n };
}

export function sameFraction(a: { over: bigint; under: bigint }, b: { over: bigint; under: bigint }): boolean {
  return a.over * b.under === b.over * a.under;
}
