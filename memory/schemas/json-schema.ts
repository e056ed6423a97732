// The types of a JSON Schema, and the draft that it is written in. check-schema.ts says whether a schema can be used.

export type JsonSchema = boolean | SchemaObject;
export type SchemaObject = { readonly [keyword: string]: unknown };

/** A draft, as the validator names it. */
export type Draft = "4" | "7" | "2019-09" | "2020-12";

// Draft 6 is read as draft 7, which only adds if/then/else and annotations.
const DRAFTS: Readonly<Record<string, Draft>> = {
  "draft-04": "4",
  "draft-06": "7",
  "draft-07": "7",
  "draft/2019-09": "2019-09",
  "draft/2020-12": "2020-12",
};

/** The draft that a `$schema` names: 2020-12 if it is absent, `undefined` if memX does not know the draft. */
export function draftOf($schema: unknown): Draft | undefined {
  if ($schema === undefined) return "2020-12";
  if (typeof $schema !== "string") return undefined;
  const name = /^https?:\/\/json-schema\.org\/(draft[-/][\d-]+)\/schema#?$/.exec($schema)?.[1];
  return name !== undefined && Object.hasOwn(DRAFTS, name) ? DRAFTS[name] : undefined;
}

/** Before 2019-09 a `$ref` hides everything beside it. */
export function refStandsAlone(draft: Draft): boolean {
  return draft === "4" || draft === "7";
}

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "boolean" || isObject(value);
}
