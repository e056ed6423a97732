// Turns the validator's report into messages for the caller: where in the value, and what the value must be. A message
// repeats property names and the schema's own text, but never a value.

import type { OutputUnit } from "@cfworker/json-schema";
import type { FieldError } from "../../sdk/protocol.ts";
import { unescapeStep } from "../pointer-escape.ts";
import type { Step } from "./step.ts";
import type { WorkMeter } from "./work-meter.ts";

/** Whether messages repeat the schema's own text. A caller that must not read the schema gets messages without it. */
export type Wording = "quoting" | "general";

/** A longer list would not help to repair the value. */
export const MAX_ERRORS = 100;
/** Characters of the schema's own text that a message repeats. */
const MAX_QUOTE = 200;

/** Reports that only say that a more precise one follows. */
const WRAPPERS = new Set(
  (
    "$ref properties patternProperties additionalProperties unevaluatedProperties items prefixItems additionalItems " +
    "unevaluatedItems dependentSchemas propertyNames allOf if"
  ).split(" "),
);
/** Keywords whose members have names of their own. */
const MAPS = new Set(["properties", "dependentSchemas"]);

const TYPES: Readonly<Record<string, string>> = {
  array: "an array",
  boolean: "a boolean",
  integer: "an integer",
  null: "null",
  number: "a number",
  object: "an object",
  string: "a string",
};

/** Messages for keywords whose own messages repeat what the schema says. */
const GENERAL: Readonly<Record<string, string>> = {
  type: "Must be of an allowed type.",
  minimum: "Must be larger.",
  maximum: "Must be smaller.",
  exclusiveMinimum: "Must be larger.",
  exclusiveMaximum: "Must be smaller.",
  multipleOf: "Must be a multiple of the allowed step.",
  required: "A required property is missing.",
  dependentRequired: "A property that another property requires is missing.",
  minProperties: "Must have more properties.",
  maxProperties: "Must have fewer properties.",
  minItems: "Must have more items.",
  maxItems: "Must have fewer items.",
  minContains: 'Must have more items matching the "contains" schema.',
  maxContains: 'Must have fewer items matching the "contains" schema.',
};

type Describing = {
  readonly root: Step;
  readonly lookup: Readonly<Record<string, Step>>;
  readonly wording: Wording;
  readonly meter: WorkMeter;
};

/** @throws {WorkExceeded} */
export function describeErrors(
  reported: readonly OutputUnit[],
  value: unknown,
  { root, lookup, wording, meter }: Describing,
): readonly FieldError[] {
  const precise = reported.filter((error) => !WRAPPERS.has(error.keyword));
  const errors = new Map<string, FieldError>();
  const described = new Set<string>();
  for (const { keyword, keywordLocation, instanceLocation } of precise.length > 0 ? precise : reported) {
    // The validator reports each missing property. The first of these reports is described as all of them.
    const place = `${instanceLocation} ${keywordLocation}`;
    if (described.has(place)) continue;
    described.add(place);
    meter.spend(2 + place.length / 64);
    const path = decodeURIComponent(instanceLocation.slice(1));
    const { step, isName } = findStep(keywordLocation, root, lookup);
    if (keyword === "required" || keyword === "dependentRequired") meter.spend(workOfNames(step[keyword]));
    const general = wording === "general" ? (step.general ?? GENERAL[keyword]) : undefined;
    for (const text of general ? [general] : describe(keyword, step, () => valueAt(path, value))) {
      const message = isName ? text.replace(/^Must /, "The property name must ") : text;
      errors.set(`${path} ${message}`, { path, message });
      if (errors.size === MAX_ERRORS) return [...errors.values()];
    }
  }
  return [...errors.values()];
}

/** The schema that a reported keyword belongs to, and whether that schema applies to a property name. */
function findStep(keywordLocation: string, root: Step, lookup: Readonly<Record<string, Step>>) {
  let at: unknown = root;
  let keyword = "";
  let isName = false;
  for (const part of keywordLocation.split("/").slice(1, -1)) {
    const name = unescapeStep(decodeURIComponent(part));
    keyword = MAPS.has(keyword) ? "" : name;
    if (keyword === "propertyNames") isName = true;
    const next: unknown = (at as Step | undefined)?.[name];
    at = keyword === "$ref" && typeof next === "string" ? lookup[next] : next;
  }
  return { step: (at ?? {}) as Step, isName };
}

function valueAt(path: string, value: unknown): object {
  let at = value as Record<string, unknown>;
  for (const part of path.split("/").slice(1)) at = at[unescapeStep(part)] as Record<string, unknown>;
  return at;
}

/** Does not use the validator's own text, which repeats values. */
function describe(keyword: string, step: Step, instance: () => object): readonly string[] {
  const limit = step[keyword] as number;
  switch (keyword) {
    case "enum":
    case "format":
      return [step.complaint ?? "Must match the schema."];
    case "not":
      return [step.complaint ?? 'Must not match the "not" schema.'];
    case "type":
      return [`Must be ${either([step.type].flat().map((type) => TYPES[type as string] ?? String(type)))}.`];
    case "minimum":
      return [`Must be ${step.exclusiveMinimum === true ? "greater than" : "at least"} ${limit}.`];
    case "maximum":
      return [`Must be ${step.exclusiveMaximum === true ? "less than" : "at most"} ${limit}.`];
    case "exclusiveMinimum":
      return [`Must be greater than ${limit}.`];
    case "exclusiveMaximum":
      return [`Must be less than ${limit}.`];
    case "multipleOf":
      return [`Must be a multiple of ${limit}.`];
    case "required":
      return missing(step.required, instance()).map((name) => `Required property ${quote(name)} is missing.`);
    case "dependentRequired": {
      const object = instance();
      return Object.entries(step.dependentRequired as object)
        .filter(([name]) => Object.hasOwn(object, name))
        .flatMap(([name, needed]) =>
          missing(needed, object).map(
            (other) => `Property ${quote(other)} is required when property ${quote(name)} is present.`,
          ),
        );
    }
    case "minProperties":
      return [`Must have at least ${count(limit, "property", "properties")}.`];
    case "maxProperties":
      return [`Must have at most ${count(limit, "property", "properties")}.`];
    case "minItems":
      return [`Must have at least ${count(limit, "item")}.`];
    case "maxItems":
      return [`Must have at most ${count(limit, "item")}.`];
    case "contains":
      return ['Must have at least 1 item matching the "contains" schema.'];
    case "minContains":
      return [`Must have at least ${count(limit, "item")} matching the "contains" schema.`];
    case "maxContains":
      return [`Must have at most ${count(limit, "item")} matching the "contains" schema.`];
    case "anyOf":
      return ['Must match at least one of the "anyOf" schemas.'];
    case "oneOf":
      return ['Must match exactly one of the "oneOf" schemas.'];
    default:
      return ["Must match the schema."];
  }
}

/** What to say when a value is not one of those that the schema lists. */
export function listComplaint(values: readonly unknown[]): string {
  if (values.length === 0) return "No value is allowed here.";
  const list = values.map((value) => JSON.stringify(value)).join(", ");
  if (list.length > MAX_QUOTE) return "Must be one of the values that the schema lists.";
  return values.length === 1 ? `Must be ${list}.` : `Must be one of ${list}.`;
}

/** The same, without the values. */
export function generalListComplaint(values: readonly unknown[]): string {
  if (values.length === 0) return listComplaint(values);
  return values.length === 1 ? "Must be the allowed value." : "Must be one of the allowed values.";
}

/** What to say when a string does not fit the schema's rules for strings. */
export function textComplaint(minLength: number | undefined, maxLength: number | undefined, pattern?: string): string {
  const needs: string[] = [];
  if (minLength !== undefined && minLength === maxLength) needs.push(`have exactly ${count(minLength, "character")}`);
  else if (minLength !== undefined && maxLength !== undefined)
    needs.push(`have ${minLength} to ${maxLength} characters`);
  else if (minLength !== undefined) needs.push(`have at least ${count(minLength, "character")}`);
  else if (maxLength !== undefined) needs.push(`have at most ${count(maxLength, "character")}`);
  if (pattern !== undefined) {
    needs.push(pattern.length > MAX_QUOTE ? "match the pattern of the schema" : `match the pattern ${pattern}`);
  }
  return `Must ${needs.join(" and ")}.`;
}

/** The same, without the rules. */
export function generalTextComplaint(hasLength: boolean, hasPattern: boolean): string {
  const needs = [
    ...(hasLength ? ["have an allowed number of characters"] : []),
    ...(hasPattern ? ["match the pattern of the schema"] : []),
  ];
  return `Must ${needs.join(" and ")}.`;
}

/** A step is 16 names that the value may lack. */
function workOfNames(names: unknown): number {
  if (Array.isArray(names)) return names.length / 16;
  if (typeof names !== "object" || names === null) return 0;
  return Object.values(names).reduce((sum: number, needed) => sum + 1 + workOfNames(needed), 0);
}

/** The names that the object does not have. */
function missing(names: unknown, object: object): readonly string[] {
  return (names as readonly string[]).filter((name) => !Object.hasOwn(object, name));
}

function either(words: readonly string[]): string {
  return words.length < 3 ? words.join(" or ") : `${words.slice(0, -1).join(", ")}, or ${words.at(-1)}`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function quote(name: string): string {
  if (name.length <= MAX_QUOTE) return JSON.stringify(name);
  return JSON.stringify(`${name.slice(0, MAX_QUOTE).toWellFormed()}…`);
}
