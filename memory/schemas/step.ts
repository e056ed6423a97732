// One schema as the validator gets it. All steps have the same hidden class: the validator reads 45 properties of each schema that
// it applies, and a schema of a thousand different shapes would take it ten times as long.

import type { WorkMeter } from "./work-meter.ts";

/** Counts the work of the check that runs now. All steps of a schema share it. */
export type Gauge = { meter: WorkMeter; factor: number };

export abstract class Step {
  [keyword: string]: unknown;

  $ref: unknown = undefined;
  type: unknown = undefined;
  format: unknown = undefined;
  not: unknown = undefined;
  if: unknown = undefined;
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema.
  then: unknown = undefined;
  else: unknown = undefined;
  allOf: unknown = undefined;
  anyOf: unknown = undefined;
  oneOf: unknown = undefined;
  required: unknown = undefined;
  additionalProperties: unknown = undefined;
  unevaluatedProperties: unknown = undefined;
  propertyNames: unknown = undefined;
  minProperties: unknown = undefined;
  maxProperties: unknown = undefined;
  dependentRequired: unknown = undefined;
  dependentSchemas: unknown = undefined;
  items: unknown = undefined;
  prefixItems: unknown = undefined;
  additionalItems: unknown = undefined;
  unevaluatedItems: unknown = undefined;
  contains: unknown = undefined;
  minContains: unknown = undefined;
  maxContains: unknown = undefined;
  minItems: unknown = undefined;
  maxItems: unknown = undefined;
  minimum: unknown = undefined;
  maximum: unknown = undefined;
  exclusiveMinimum: unknown = undefined;
  exclusiveMaximum: unknown = undefined;
  multipleOf: unknown = undefined;
  /** What to say of a value that breaks a rule that memX has translated. */
  complaint: string | undefined = undefined;
  /** The same without the schema's text, if `complaint` quotes the schema. */
  general: string | undefined = undefined;
  /** What one application of this step costs, besides those of the steps inside. */
  work = 0.4;
  readonly gauge: Gauge;

  constructor(gauge: Gauge) {
    this.gauge = gauge;
  }

  /** The validator reads this keyword each time it applies a schema, and memX has no other use for it. */
  get $recursiveAnchor(): boolean {
    this.gauge.meter.spend(this.work * this.gauge.factor);
    return false;
  }
}

export class PlainStep extends Step {
  enum: unknown = undefined;
  properties: unknown = undefined;
}

/** Has the properties that its patterns match in the value. */
export class NamedStep extends Step {
  enum: unknown = undefined;
  named: () => Readonly<Record<string, Step>> = () => ({});

  get properties(): Readonly<Record<string, Step>> {
    return this.named();
  }
}

/** Matches what equals an array with repeats of the value. */
export class RepeatsStep extends Step {
  properties: unknown = undefined;
  repeats: () => readonly unknown[] = () => [];

  get enum(): readonly unknown[] {
    return this.repeats();
  }
}
