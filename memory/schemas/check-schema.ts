// Checks a JSON Schema before it is stored. Refuses everything that could later throw, hang or silently allow a value.
// Work that also depends on the value is bounded when the value is checked, in compile-schema.ts.

import type { FieldError } from "../../sdk/protocol.ts";
import { pointerStep } from "../pointer-escape.ts";
import { workOfTranslation } from "./compile-schema.ts";
import { type Draft, draftOf, isObject, type JsonSchema } from "./json-schema.ts";
import { misshapen, subschemas } from "./keywords.ts";
import { compilePattern } from "./patterns/compile-pattern.ts";
import { PatternError } from "./patterns/parse-pattern.ts";
import { readSchema, type SchemaNode } from "./read-schema.ts";
import { WorkExceeded, WorkMeter } from "./work-meter.ts";

/** Schemas that apply to one place in a value, with references followed. More is a fan-out, not a description. */
const MAX_APPLICATIONS = 2_000;
/** Nested schemas that apply to one place in a value. With 64 levels of value, the validator stays within its stack. */
const MAX_CHAIN = 32;
/** Steps of all patterns of a schema. Each takes about 100 bytes while the pattern is in use. */
const MAX_PATTERN_STEPS = 20_000;
/** A longer list would not help to repair the schema. */
const MAX_ERRORS = 100;

// 2020-12 has neither `additionalItems` nor an array form of `items`. By its rules both would be ignored, and the items
// would go unchecked.
const GONE_IN_2020 = "Must not be used this way in 2020-12. Use prefixItems and items, or name draft-07 in $schema.";
const TOO_MANY_STEPS = `The patterns of a schema must not have more than ${MAX_PATTERN_STEPS} steps in total.`;
const TOO_DEEP = `Must not apply more than ${MAX_CHAIN} nested schemas to the same value.`;
const RESERVED = new Set(["__absolute_uri__", "__absolute_ref__", "__absolute_recursive_ref__"]);
const DYNAMIC = new Set(["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"]);

/**
 * The errors of a schema, each with a JSON Pointer into the schema. Empty if the schema can be used.
 * @throws {WorkExceeded}
 */
export function checkSchema(schema: unknown, meter = new WorkMeter()): readonly FieldError[] {
  if (typeof schema === "boolean") return [];
  if (!isObject(schema)) return [{ path: "", message: "Must be an object or a boolean." }];
  const draft = draftOf(schema.$schema);
  if (!draft) {
    const message = "Must be https://json-schema.org/draft/2020-12/schema, or the URI of draft 2019-09, 07, 06, or 04.";
    return [{ path: "/$schema", message }];
  }
  const malformed = badText(schema, "", meter);
  if (malformed) return [malformed];
  const { nodes, size, errors } = readSchema(schema, draft, meter);
  const found = [...[...nodes.values()].flatMap((node) => keywordErrors(node, draft)), ...errors];
  if (found.length === 0) found.push(...patternErrors(nodes.values(), meter));
  if (found.length === 0) found.push(...applicationErrors(nodes));
  // So that each write can compile the schema, too.
  if (found.length === 0) meter.spend(workOfTranslation({ nodes, size }));
  return found.slice(0, MAX_ERRORS);
}

/** The first name that a JSON Pointer cannot contain, or number that JSON cannot represent. */
function badText(value: unknown, path: string, meter: WorkMeter): FieldError | undefined {
  if (value === Infinity || value === -Infinity) return { path, message: "Must fit in a 64-bit float." };
  if (typeof value !== "object" || value === null) return undefined;
  const entries = Object.entries(value);
  meter.spend(1 + entries.length / 4);
  for (const [name, child] of entries) {
    if (!name.isWellFormed()) return { path, message: "Property names must be well-formed Unicode." };
    const found = badText(child, path + pointerStep(name), meter);
    if (found) return found;
  }
  return undefined;
}

function keywordErrors({ schema, pointer }: SchemaNode, draft: Draft): readonly FieldError[] {
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const message = keywordError(keyword, value, draft);
    return message === undefined ? [] : [{ path: pointer + pointerStep(keyword), message }];
  });
}

function keywordError(keyword: string, value: unknown, draft: Draft): string | undefined {
  if (RESERVED.has(keyword)) return "Must not be used. This name is reserved.";
  if (DYNAMIC.has(keyword) && value !== false) return "Must not be used. Use $ref instead.";
  const needs = misshapen(keyword, value, draft);
  if (needs !== undefined) return `Must be ${needs}.`;
  if (keyword === "$schema" && draftOf(value) !== draft) return "Must name the same draft as the root schema.";
  if (draft === "2020-12" && (keyword === "additionalItems" || (keyword === "items" && Array.isArray(value)))) {
    return GONE_IN_2020;
  }
  return undefined;
}

function patternErrors(nodes: Iterable<SchemaNode>, meter: WorkMeter): readonly FieldError[] {
  const found: FieldError[] = [];
  let size = 0;
  for (const { schema, pointer } of nodes) {
    const patterns: [source: string, path: string][] = Object.keys(schema.patternProperties ?? {}).map((source) => [
      source,
      `${pointer}/patternProperties${pointerStep(source)}`,
    ]);
    if (schema.pattern !== undefined) patterns.push([schema.pattern as string, `${pointer}/pattern`]);
    for (const [source, path] of patterns) {
      try {
        size += compilePattern(source, meter).size;
      } catch (error) {
        if (error instanceof WorkExceeded) throw error;
        const message =
          error instanceof PatternError ? error.message : "Must be a regular expression (ECMAScript, u flag).";
        found.push({ path, message });
      }
      if (size > MAX_PATTERN_STEPS) return [...found, { path, message: TOO_MANY_STEPS }];
    }
  }
  return found;
}

/** Counts the schemas that apply to one place in a value, and finds references that lead back without going deeper. */
function applicationErrors(nodes: ReadonlyMap<object, SchemaNode>): readonly FieldError[] {
  const counted = new Map<JsonSchema, { applications: number; chain: number }>();
  const open = new Set<JsonSchema>();
  const found: FieldError[] = [];

  function count(schema: JsonSchema): { applications: number; chain: number } {
    const node = typeof schema === "object" ? nodes.get(schema) : undefined;
    if (!node) return { applications: 1, chain: 1 };
    const known = counted.get(schema);
    if (known) return known;
    const total = { applications: 1, chain: 1 };
    if (open.has(schema) || open.size > MAX_CHAIN) {
      const message = open.has(schema) ? "Must not refer back to itself for the same value." : TOO_DEEP;
      found.push({ path: node.pointer, message });
      return total;
    }
    open.add(schema);
    const inner = subschemas(node.schema).filter((child) => child.inPlace);
    for (const child of [...inner.map((child) => child.schema), ...(node.target === undefined ? [] : [node.target])]) {
      const { applications, chain } = count(child);
      if (found.length > 0) return total;
      total.applications += applications;
      total.chain = Math.max(total.chain, chain + 1);
    }
    open.delete(schema);
    counted.set(schema, total);
    if (total.chain > MAX_CHAIN) {
      found.push({ path: node.pointer, message: TOO_DEEP });
    } else if (total.applications > MAX_APPLICATIONS) {
      const message = `Must not apply more than ${MAX_APPLICATIONS} schemas to the same value.`;
      found.push({ path: node.pointer, message });
    }
    return total;
  }

  for (const node of nodes.values()) {
    count(node.schema);
    if (found.length > 0) break;
  }
  return found;
}
