// Turns what the validator reports into what a caller is told: where in the value, and what it has to be. Values are
// not repeated; names of properties and the schema's own words are.

import type { OutputUnit } from "@cfworker/json-schema";
import type { FieldError } from "../../sdk/protocol.ts";
import { unescapeStep } from "../pointer-escape.ts";

/** A schema as the validator gets it, with what to say where its own words would mislead. */
export type Step = { [keyword: string]: unknown; readonly complaint?: string };

/** A value with more errors than this needs another writer, not a longer list. */
export const MAX_ERRORS = 100;
/** Characters of the schema's own text that a message repeats. */
const MAX_QUOTE = 200;

/** Reports that only say that another one follows. */
const WRAPPERS = new Set(
  (
    "$ref properties patternProperties additionalProperties unevaluatedProperties items prefixItems additionalItems " +
    "unevaluatedItems dependentSchemas allOf if"
  ).split(" "),
);

export function describeErrors(
  reported: readonly OutputUnit[],
  root: Step,
  lookup: Readonly<Record<string, Step>>,
): readonly FieldError[] {
  const precise = reported.filter((error) => !WRAPPERS.has(error.keyword));
  const errors = new Map<string, FieldError>();
  for (const error of precise.length > 0 ? precise : reported) {
    if (errors.size === MAX_ERRORS) break;
    const path = decodeURIComponent(error.instanceLocation.slice(1));
    const message = describe(error, stepAt(error.keywordLocation, root, lookup));
    errors.set(`${path} ${message}`, { path, message });
  }
  return [...errors.values()];
}

/** The schema that a keyword of a report belongs to. */
function stepAt(keywordLocation: string, root: Step, lookup: Readonly<Record<string, Step>>): Step {
  let at: unknown = root;
  for (const part of keywordLocation.split("/").slice(1, -1)) {
    const name = unescapeStep(decodeURIComponent(part));
    const next: unknown = (at as Step | undefined)?.[name];
    at = name === "$ref" && typeof next === "string" ? lookup[next] : next;
  }
  return (at ?? {}) as Step;
}

function describe({ keyword, error }: OutputUnit, step: Step): string {
  const limit = step[keyword];
  switch (keyword) {
    case "enum":
    case "format":
    case "not":
      return step.complaint ?? 'This is what the schema\'s "not" excludes.';
    case "type":
      return `This has to be of type ${[limit].flat().join(" or ")}.`;
    case "minimum":
      return `This has to be ${step.exclusiveMinimum === true ? "more than" : "at least"} ${limit}.`;
    case "maximum":
      return `This has to be ${step.exclusiveMaximum === true ? "less than" : "at most"} ${limit}.`;
    case "exclusiveMinimum":
      return `This has to be more than ${limit}.`;
    case "exclusiveMaximum":
      return `This has to be less than ${limit}.`;
    case "multipleOf":
      return `This has to be a multiple of ${limit}.`;
    default:
      return error;
  }
}

/** What to say when a value is none of those that the schema lists. */
export function listComplaint(values: readonly unknown[]): string {
  if (values.length === 0) return "Nothing is allowed here.";
  const list = values.map((value) => JSON.stringify(value)).join(", ");
  if (list.length > MAX_QUOTE) return "This has to be one of the values that the schema lists.";
  return values.length === 1 ? `This has to be ${list}.` : `This has to be one of ${list}.`;
}
