// Parses JSON into a value that prints as it was written.

import type { JsonText } from "../../sdk/protocol.ts";

/** JSON.parse with source text (https://tc39.es/proposal-json-parse-with-source/), which TypeScript does not know yet. */
const { parse, rawJSON } = JSON as unknown as {
  parse(text: string, reviver: (name: string, value: unknown, context: { source: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** `JSON.stringify` of the result gives every number digit for digit: 9007199254740993, 1.0, -0.0. */
export function parseExact(text: JsonText): unknown {
  return parse(text, (_, value, { source }) =>
    typeof value === "number" && String(value) !== source ? rawJSON(source) : value,
  );
}
