// Checks the arguments of a tool call: the tool's input schema, with memX's own rules for keys and patterns. The schema that models
// read is without these, because they cost words in every conversation, and some hosts refuse regular expressions.

import { TOOLS } from "../../sdk/tools.ts";
import { OPERATIONS } from "../request/operations.ts";
import { checked } from "../request/read-request.ts";
import { defineRequest, key, pattern, type RequestShape } from "../request/shapes.ts";

type Schema = { readonly type?: unknown; readonly properties?: Readonly<Record<string, Schema>> };

const { prefix, cursor } = (OPERATIONS.keys.request.schema as { properties: Record<string, object> }).properties;
const RULES = new Map<string, object | undefined>(
  Object.entries({ key, prefix, cursor, patterns: { items: pattern.items } }),
);

/** Compiled on first use, because most isolates never get a tool call. */
const shapes = new Map<string, RequestShape<object>>();

function shapeOf(tool: string): RequestShape<object> {
  const known = shapes.get(tool);
  if (known) return known;
  const definition = TOOLS.find(({ name }) => name === tool);
  if (!definition) throw new Error("there is no tool of this name");
  const shape = defineRequest(withRules(definition.inputSchema) as { readonly type: "object" });
  shapes.set(tool, shape);
  return shape;
}

function withRules(schema: Schema): Schema {
  if (!schema.properties) return schema;
  const properties = Object.entries(schema.properties).map(([name, property]) => [
    name,
    { ...withRules(property), ...RULES.get(name) },
  ]);
  return { ...schema, properties: Object.fromEntries(properties) };
}

/**
 * Returns the arguments if the tool takes them.
 * @throws {ApiError} `invalid_request`
 */
export function checkInput(tool: string, args: unknown): object {
  return checked(shapeOf(tool), args ?? {}, "input");
}
