// Checks the arguments of a tool against its input schema: those keywords of JSON Schema that sdk/tools.json uses.

import { InvalidRequestError } from "../errors.ts";

type Schema = {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
  readonly items?: object;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
};

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isSafeInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

/** @throws {InvalidRequestError} with the place of the first fault */
export function checkInput(schema: Schema, value: unknown, path = ""): void {
  const types = [schema.type ?? []].flat();
  if (types.length > 0 && !types.some((type) => TYPES[type]?.(value)))
    fail(path, `Must be of type ${types.join(" or ")}.`);
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    if (value < minimum || value > maximum) fail(path, `Must be a number from ${minimum} to ${maximum}.`);
  } else if (Array.isArray(value)) {
    const { items = {}, minItems = 0, maxItems = Infinity } = schema;
    if (value.length < minItems || value.length > maxItems) fail(path, `Must have ${minItems} to ${maxItems} items.`);
    for (const [index, item] of value.entries()) checkInput(items, item, `${path}/${index}`);
  } else if (typeof value === "object" && value !== null && schema.properties) {
    const given = value as Readonly<Record<string, unknown>>;
    const missing = schema.required?.find((name) => given[name] === undefined);
    if (missing !== undefined) fail(path, `Required property \`${missing}\` is missing.`);
    for (const [name, member] of Object.entries(given)) {
      const property = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
      if (!property) fail(`${path}/${name}`, "No such property.");
      if (member !== undefined) checkInput(property, member, `${path}/${name}`);
    }
  }
}

function fail(path: string, message: string): never {
  throw new InvalidRequestError("invalid_request", `${path || "The input"}: ${message}`, {
    errors: [{ path, message }],
  });
}
