// The interface to schema libraries: Standard Schema validates, Standard JSON Schema describes. It has the parts of
// https://standardschema.dev and https://standardschema.dev/json-schema that the SDK uses.

import { InvalidSchemaError, SchemaViolationError } from "./errors.ts";
import { toPointer } from "./json-pointer.ts";
import type { JsonSchema } from "./types.ts";

/** A schema of zod 4.2, ArkType 2.1.28, Valibot with `@valibot/to-json-schema`, and others. */
export type JsonSchemaSource<In = unknown, Out = In> = {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
    readonly validate: (value: unknown) => Result<Out> | Promise<Result<Out>>;
    readonly jsonSchema: {
      readonly output: (options: { readonly target: "draft-2020-12" }) => Record<string, unknown>;
    };
  };
};

type Result<Out> = { readonly value: Out; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

type Issue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
};

/**
 * Returns the library's output for a value, for example with defaults filled in.
 * @throws {SchemaViolationError} if the value does not match
 */
export async function validate<Out>(schema: JsonSchemaSource<unknown, Out>, value: unknown, key: string): Promise<Out> {
  const result = await schema["~standard"].validate(value);
  if (!result.issues) return result.value;
  const nameOf = (segment: NonNullable<Issue["path"]>[number]) => (typeof segment === "object" ? segment.key : segment);
  const errors = result.issues.map(({ message, path = [] }) => ({
    path: path.map((segment) => toPointer(nameOf(segment))).join(""),
    message,
  }));
  const [first] = errors;
  const where = first ? ` ${first.path || "It"}: ${first.message}` : "";
  throw new SchemaViolationError("schema_violation", `The value does not match the key's schema.${where}`, {
    key,
    errors,
  });
}

/** @throws {InvalidSchemaError} if JSON Schema cannot describe the schema, for example because it has dates */
export function toJsonSchema(schema: JsonSchemaSource<unknown, unknown>, key: string): JsonSchema {
  const { jsonSchema, vendor } = schema["~standard"];
  if (!jsonSchema) {
    throw new InvalidSchemaError("invalid_schema", `The ${vendor} schema does not implement Standard JSON Schema.`, {
      key,
    });
  }
  try {
    return jsonSchema.output({ target: "draft-2020-12" });
  } catch (cause) {
    throw new InvalidSchemaError(
      "invalid_schema",
      `The schema cannot be converted to JSON Schema: ${(cause as Error).message}`,
      {
        key,
        cause,
      },
    );
  }
}
