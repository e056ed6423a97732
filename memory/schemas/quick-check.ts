// A fast check for requests. It accepts a value that plainly matches its schema, and leaves every other value to the
// validator. It never accepts a value that the validator would refuse.

import { isObject, type JsonSchema } from "./json-schema.ts";

type Check = (value: unknown) => boolean;

const UNKNOWN: Check = () => false;

/** Keywords that restrict nothing, and `type`, which is handled by itself. */
const IGNORED = ["title", "description", "examples", "type"];

/** Only for memX's own schemas, because their patterns run on the platform's backtracking engine. */
export function quickCheck(schema: JsonSchema): Check {
  if (typeof schema === "boolean") return () => schema;
  const keywords = Object.keys(schema).filter((keyword) => !IGNORED.includes(keyword));
  const only = (...known: string[]) => keywords.every((keyword) => known.includes(keyword));
  const { type, minLength = 0, maxLength = Infinity, minimum = -Infinity, maximum = Infinity } = schema as Bounds;
  const { minItems = 0, maxItems = Infinity } = schema as Bounds;
  switch (type) {
    case undefined: {
      if (only()) return () => true;
      // An object or array would have to be compared by its contents.
      if (only("const") && typeof schema.const === "string") return (value) => value === schema.const;
      if (!only("anyOf")) return UNKNOWN;
      const checks = (schema.anyOf as readonly JsonSchema[]).map(quickCheck);
      return (value) => checks.some((check) => check(value));
    }
    case "string": {
      if (!only("minLength", "maxLength", "pattern")) return UNKNOWN;
      const pattern = new RegExp(String(schema.pattern ?? ""), "u");
      // A character is one or two UTF-16 units.
      return (value) =>
        typeof value === "string" &&
        value.length >= 2 * minLength - 1 &&
        value.length <= maxLength &&
        pattern.test(value);
    }
    case "integer":
    case "number": {
      if (!only("minimum", "maximum")) return UNKNOWN;
      const fits = type === "integer" ? Number.isSafeInteger : Number.isFinite;
      return (value) => fits(value) && (value as number) >= minimum && (value as number) <= maximum;
    }
    case "object": {
      if (!only("properties", "required", "additionalProperties") || schema.additionalProperties !== false)
        return UNKNOWN;
      const checks = new Map(
        Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(([name, of]) => [
          name,
          quickCheck(of),
        ]),
      );
      const required = (schema.required ?? []) as readonly string[];
      return (value) =>
        isObject(value) &&
        required.every((name) => Object.hasOwn(value, name)) &&
        Object.keys(value).every((name) => checks.get(name)?.(value[name]) ?? false);
    }
    case "array": {
      if (!only("items", "minItems", "maxItems")) return UNKNOWN;
      const check = quickCheck((schema.items ?? true) as JsonSchema);
      return (value) =>
        Array.isArray(value) && value.length >= minItems && value.length <= maxItems && value.every(check);
    }
    default:
      return UNKNOWN;
  }
}

type Bounds = {
  type?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
};
