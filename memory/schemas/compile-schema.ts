// Compiles a checked JSON Schema into a function that checks values. The validator is @cfworker/json-schema. It gets a
// translation of the schema that means the same, and in which the work for each value is counted and bounded.

import { type Schema, validate } from "@cfworker/json-schema";
import type { FieldError } from "../../sdk/protocol.ts";
import { describeErrors, generalListComplaint, listComplaint, type Wording } from "./describe-errors.ts";
import { inPlaceDepths } from "./in-place-depths.ts";
import { type Draft, draftOf, isObject, type JsonSchema, refStandsAlone, type SchemaObject } from "./json-schema.ts";
import { patternOf } from "./patterns/pattern-cache.ts";
import { prepareSubject } from "./prepare-value.ts";
import { readSchema, type SchemaReading } from "./read-schema.ts";
import { arraysWithRepeats, sizeOfValue } from "./repeated-items.ts";
import { type Gauge, NamedStep, PlainStep, RepeatsStep, type Step } from "./step.ts";
import { type TextRule, textRuleOf, useTextRules } from "./text-rules.ts";
import { Unchecked, WorkExceeded, WorkMeter } from "./work-meter.ts";

export type CheckOptions = {
  /** Counts the work, together with the other work of the request. @default a meter of its own */
  readonly meter?: WorkMeter;
  /** @default "quoting" */
  readonly wording?: Wording;
};

/**
 * Returns at most 100 errors, each with a JSON Pointer into the value. Empty if the value matches.
 * @throws {WorkExceeded}
 */
export type ValueCheck = (value: unknown, options?: CheckOptions) => readonly FieldError[];

// Keywords that the validator gets unchanged. `format` is an annotation in memX, so the translation leaves it out.
const PLAIN =
  "type required minProperties maxProperties dependentRequired minItems maxItems minContains maxContains minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split(
    " ",
  );
/** Keywords with a schema for the same place in the value. */
const ONE = "not if then else".split(" ");
/** Keywords with a schema for parts of the value. */
const ONE_INSIDE =
  "additionalProperties unevaluatedProperties propertyNames additionalItems unevaluatedItems contains".split(" ");
const LISTS = ["allOf", "anyOf", "oneOf"];
const IN_PLACE = [...ONE, ...LISTS, "$ref", "dependentSchemas"];

/** Steps to apply a schema that has no other schemas for the same place. */
const WORK_OF_A_LEAF = 0.4;
/** Steps to copy a result from one schema to the schema above it. */
const WORK_OF_A_COPY = 1 / 4;
/** An error passes through one frame for each level of the value and each schema above. So many of them cost no step. */
const FRAMES_OF_A_STEP = 256;

/** If the steps for messages have run out. */
const UNDESCRIBED: readonly FieldError[] = [{ path: "", message: "Must match the schema." }];

/**
 * For a schema that passed `checkSchema`. The schema is not changed, and may be frozen.
 * @throws {WorkExceeded}
 */
export function compileSchema(schema: JsonSchema, meter = new WorkMeter()): ValueCheck {
  if (schema === true) return () => [];
  if (schema === false) return () => [{ path: "", message: listComplaint([]) }];
  const translation = new Translation(schema, draftOf(schema.$schema) ?? "2020-12", meter);
  return (value, { meter = new WorkMeter(), wording = "quoting" } = {}) => {
    try {
      return translation.check(value, meter, wording);
    } catch (error) {
      if (error instanceof WorkExceeded) throw error;
      if (error instanceof Unchecked) return [{ path: error.path, message: error.message }];
      // The validator ran out of stack, or has more errors than one call can take as arguments.
      return [{ path: "", message: "The value is too large or too deeply nested to check against the schema." }];
    }
  };
}

class Translation {
  readonly #draft: Draft;
  readonly #gauge: Gauge = { meter: new WorkMeter(0), factor: 1 };
  readonly #steps = new Map<SchemaObject, Step>();
  readonly #lookup: Record<string, Step> = Object.create(null);
  readonly #textRules: TextRule[] = [];
  readonly #root: Step;
  /** Schemas that stand above each other for one place in a value. */
  #chain = 1;
  #usesRepeats = false;

  // Belongs to the value being checked. A check runs to its end before the next one starts.
  #names = new Set<string>();
  #repeats: readonly unknown[] = [];
  #repeatsWork = 0;
  #named = new Map<Step, Record<string, Step>>();

  constructor(schema: SchemaObject, draft: Draft, meter: WorkMeter) {
    this.#draft = draft;
    const { nodes, size } = readSchema(schema, draft, meter);
    meter.spend(workOfTranslation({ nodes, size }));
    const depthOf = inPlaceDepths(nodes);
    for (const { schema: source } of nodes.values()) {
      this.#steps.set(source, isObject(source.patternProperties) ? new NamedStep(this.#gauge) : this.#newStep());
    }
    let targets = 0;
    for (const { schema: source, target } of nodes.values()) {
      const step = this.#steps.get(source) as Step;
      const depth = depthOf(source);
      this.#chain = Math.max(this.#chain, depth + 1);
      if (target !== undefined) {
        step.$ref = String(targets++);
        this.#lookup[step.$ref as string] = this.#stepOf(target);
      }
      if (target === undefined || !refStandsAlone(draft)) this.#fill(step, source, depth);
    }
    this.#root = this.#stepOf(schema);
  }

  check(value: unknown, meter: WorkMeter, wording: Wording): readonly FieldError[] {
    this.#gauge.meter = meter;
    this.#gauge.factor = 1;
    this.#named.clear();
    this.#names.clear();
    const { subject, levels } = prepareSubject(value, meter, this.#names);
    this.#gauge.factor = Math.max(1, (levels * this.#chain) / FRAMES_OF_A_STEP);
    if (this.#usesRepeats) {
      this.#repeats = listOf(arraysWithRepeats(value, meter));
      this.#repeatsWork = sizeOfValue(this.#repeats) / 16;
    }
    useTextRules(this.#textRules);
    const { valid, errors } = this.#validate(subject, true);
    if (valid) return [];
    const all = meter.report(0.8, () => this.#validate(subject, false).errors) ?? errors;
    const options = { root: this.#root, lookup: this.#lookup, wording };
    return meter.report(0.8, () => describeErrors(all, value, { ...options, meter })) ?? UNDESCRIBED;
  }

  #validate(subject: unknown, shortCircuit: boolean) {
    return validate(subject, this.#root as Schema, this.#draft, this.#lookup as Record<string, Schema>, shortCircuit);
  }

  #newStep(members: Partial<Step> = {}, work = WORK_OF_A_LEAF): Step {
    return Object.assign(new PlainStep(this.#gauge), members, { work });
  }

  #stepOf(schema: unknown): Step {
    if (schema === true) return this.#newStep();
    if (schema === false) return this.#newStep({ enum: listOf([]), complaint: listComplaint([]) });
    return this.#steps.get(schema as SchemaObject) as Step;
  }

  /** @param depth schemas above this one for the same place in the value */
  #fill(step: Step, source: SchemaObject, depth: number): void {
    const inside = (schema: unknown): Step => {
      const inner = this.#stepOf(schema);
      // The result of each part of the value passes through all schemas that are above its container.
      inner.work += depth * WORK_OF_A_COPY;
      return inner;
    };
    for (const keyword of PLAIN) if (source[keyword] !== undefined) step[keyword] = source[keyword];
    for (const keyword of ONE) if (source[keyword] !== undefined) step[keyword] = this.#stepOf(source[keyword]);
    for (const keyword of ONE_INSIDE) if (source[keyword] !== undefined) step[keyword] = inside(source[keyword]);
    for (const keyword of LISTS) if (source[keyword] !== undefined) step[keyword] = this.#stepsOf(source[keyword]);
    const { items, prefixItems, properties, dependentSchemas, dependencies, patternProperties } = source;
    if (items !== undefined) step.items = Array.isArray(items) ? items.map(inside) : inside(items);
    if (prefixItems !== undefined) step.prefixItems = (prefixItems as unknown[]).map(inside);
    if (dependentSchemas !== undefined) step.dependentSchemas = mapValues(dependentSchemas, (of) => this.#stepOf(of));
    const fixed = properties === undefined ? undefined : mapValues(properties, inside);
    if (step instanceof NamedStep) this.#nameProperties(step, fixed, mapValues(patternProperties, inside));
    else if (fixed) step.properties = fixed;

    const also: Step[] = [];
    // Other schemas for the same place need objects of their own.
    let { work } = step;
    if (IN_PLACE.some((keyword) => step[keyword] !== undefined)) work += 1 - WORK_OF_A_LEAF;
    for (const values of [source.enum, Object.hasOwn(source, "const") ? [source.const] : undefined]) {
      if (!Array.isArray(values)) continue;
      const rule = {
        enum: listOf(values),
        complaint: listComplaint(values),
        general: generalListComplaint(values),
      };
      work += workOfList(values);
      // A step of its own, so that each rule has its own message.
      also.push(this.#newStep(rule));
    }
    const textRule = textRuleOf(source, this.#gauge);
    if (textRule) {
      const place = this.#textRules.push(textRule) - 1;
      const { message: complaint, general } = textRule;
      also.push(this.#newStep({ format: String(place), complaint, general }));
    }
    if (source.uniqueItems === true) also.push(this.#uniqueItems());
    if (isObject(dependencies)) also.push(this.#dependencies(dependencies));
    if (also.length > 0) step.allOf = [...((step.allOf as Step[] | undefined) ?? []), ...also];
    for (const keyword of ["required", "type", "properties", "dependentRequired", "dependentSchemas"]) {
      const list = source[keyword];
      if (typeof list === "object" && list !== null) work += sizeOfList(list) / 8;
    }
    // The validator divides numbers of any size exactly.
    if (source.multipleOf !== undefined) work += 1;
    step.work = work + (also.length > 0 ? 1 : 0);
  }

  #stepsOf(schemas: unknown): Step[] {
    return (schemas as unknown[]).map((schema) => this.#stepOf(schema));
  }

  /** An array is unique if it equals none of the arrays with repeats in this value. */
  #uniqueItems(): Step {
    this.#usesRepeats = true;
    const step = new RepeatsStep(this.#gauge);
    step.work = 0;
    step.repeats = () => {
      this.#gauge.meter.spend(this.#repeatsWork);
      return this.#repeats;
    };
    return this.#newStep({ not: step, complaint: "Must not have equal items." });
  }

  // The validator finds no references below `dependencies`, so it gets the two keywords that replaced it.
  #dependencies(dependencies: SchemaObject): Step {
    const entries = Object.entries(dependencies);
    const required = Object.fromEntries(entries.filter(([, value]) => Array.isArray(value)));
    const schemas = Object.fromEntries(entries.filter(([, value]) => !Array.isArray(value)));
    return this.#newStep(
      { dependentRequired: required, dependentSchemas: mapValues(schemas, (schema) => this.#stepOf(schema)) },
      1 + sizeOfList(dependencies) / 8,
    );
  }

  /** The validator would run patterns on the platform's engine. Instead it gets the names that match, as properties. */
  #nameProperties(step: NamedStep, fixed: Record<string, Step> | undefined, byPattern: Record<string, Step>): void {
    const patterns = Object.entries(byPattern).map(([source, step]) => ({ source, step }));
    step.named = () => {
      const { meter } = this.#gauge;
      let named = this.#named.get(step);
      if (!named) {
        meter.spend(this.#names.size);
        named = { ...fixed };
        for (const name of this.#names) {
          const matching = patterns
            .filter(({ source }) => patternOf(source, meter).test(name, (steps) => meter.spend(steps / 32)))
            .map(({ step }) => step);
          if (matching.length === 0) continue;
          const all = fixed && Object.hasOwn(fixed, name) ? [fixed[name] as Step, ...matching] : matching;
          const value = all.length === 1 ? all[0] : this.#newStep({ allOf: all });
          Object.defineProperty(named, name, { value, enumerable: true, configurable: true });
        }
        this.#named.set(step, named);
      }
      meter.spend(Object.keys(named).length / 8);
      return named;
    };
  }
}

/** Steps of work to translate a schema. */
export function workOfTranslation({ nodes, size }: Pick<SchemaReading, "nodes" | "size">): number {
  return 2 * (size + 2 * nodes.size);
}

/** An object with the same names, also if one of them is `__proto__`. */
function mapValues<T>(object: unknown, map: (value: unknown) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(object as object).map(([name, value]) => [name, map(value)]));
}

/** A list that costs nothing to print. The validator prints it each time a value is not in the list. */
function listOf(values: readonly unknown[]): readonly unknown[] {
  return Object.defineProperty([...values], "toJSON", { value: () => null });
}

/** A step is 32 comparisons of scalars. Strings may compare all their text; arrays and objects compare each part. */
function workOfList(values: readonly unknown[]): number {
  return values.reduce((sum: number, value) => {
    if (typeof value === "string") return sum + 1 / 32 + value.length / 4_096;
    return sum + (typeof value === "object" && value !== null ? sizeOfValue(value) : 1 / 32);
  }, 0);
}

/** Names in an array of names, or in an object whose values are such arrays. */
function sizeOfList(list: object): number {
  return Object.values(list).reduce((sum: number, value) => sum + (Array.isArray(value) ? 1 + value.length : 1), 0);
}
