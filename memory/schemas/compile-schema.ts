// Compiles a checked JSON Schema into a function that checks values. The validator is @cfworker/json-schema. It gets a
// translation of the schema that means the same, and in which the work for each value is counted and bounded.

import { type Schema, validate } from "@cfworker/json-schema";
import type { FieldError } from "../../sdk/protocol.ts";
import { describeErrors, generalListComplaint, listComplaint, type Step, type Wording } from "./describe-errors.ts";
import { type Draft, draftOf, isObject, type JsonSchema, refStandsAlone, type SchemaObject } from "./json-schema.ts";
import { patternOf } from "./patterns/pattern-cache.ts";
import { prepareSubject } from "./prepare-value.ts";
import { readSchema } from "./read-schema.ts";
import { arraysWithRepeats, sizeOfValue } from "./repeated-items.ts";
import { type TextRule, textRuleOf, useTextRules } from "./text-rules.ts";
import { Unchecked, WorkMeter } from "./work-meter.ts";

/** Returns at most 100 errors, each with a JSON Pointer into the value. Empty if the value matches. Never throws. */
export type ValueCheck = (value: unknown, wording?: Wording) => readonly FieldError[];

/** Steps. A value of 256 KiB has at most 131,072 parts, so a few schemas can apply to each. About a second at worst. */
const MAX_STEPS = 500_000;
/** Steps to collect all errors of an invalid value. If they run out, the caller gets the first errors found. */
const MAX_REPORT_STEPS = 100_000;

// Keywords that the validator gets unchanged. `format` is an annotation in memX, so the translation leaves it out.
const PLAIN =
  "type required minProperties maxProperties dependentRequired minItems maxItems minContains maxContains minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split(
    " ",
  );
const ONE =
  "not if then else additionalProperties unevaluatedProperties propertyNames additionalItems unevaluatedItems contains".split(
    " ",
  );
const LISTS = ["prefixItems", "allOf", "anyOf", "oneOf"];
const MAPS = ["properties", "dependentSchemas"];

/** For a schema that passed `checkSchema`. The schema is not changed, and may be frozen. */
export function compileSchema(schema: JsonSchema): ValueCheck {
  if (schema === true) return () => [];
  if (schema === false) return () => [{ path: "", message: listComplaint([]) }];
  const translation = new Translation(schema, draftOf(schema.$schema) ?? "2020-12");
  return (value, wording = "quoting") => {
    try {
      return translation.check(value, wording);
    } catch (error) {
      if (error instanceof Unchecked) return [{ path: error.path, message: error.message }];
      // The validator ran out of stack, or has more errors than one call can take as arguments.
      return [{ path: "", message: "The value is too large or too deeply nested to check against the schema." }];
    }
  };
}

class Translation {
  readonly #draft: Draft;
  readonly #meter = new WorkMeter();
  readonly #steps = new Map<SchemaObject, Step>();
  readonly #lookup: Record<string, Step> = Object.create(null);
  readonly #textRules: TextRule[] = [];
  readonly #root: Step;
  #usesRepeats = false;

  // Belongs to the value being checked. A check runs to its end before the next one starts.
  #names = new Set<string>();
  #repeats: readonly unknown[] = [];
  #repeatsWork = 0;
  #named = new Map<Step, Record<string, Step>>();

  constructor(schema: SchemaObject, draft: Draft) {
    this.#draft = draft;
    const { nodes } = readSchema(schema, draft);
    for (const node of nodes.keys()) this.#steps.set(node, {});
    for (const { schema: source, target } of nodes.values()) {
      this.#fill(this.#stepOf(source), source, target);
    }
    this.#root = this.#stepOf(schema);
  }

  check(value: unknown, wording: Wording): readonly FieldError[] {
    this.#meter.start(MAX_STEPS);
    this.#named.clear();
    this.#names.clear();
    const subject = prepareSubject(value, this.#meter, this.#names);
    if (this.#usesRepeats) {
      this.#repeats = listOf(arraysWithRepeats(value));
      this.#repeatsWork = sizeOfValue(this.#repeats) / 16;
    }
    useTextRules(this.#textRules);
    const first = this.#validate(subject, true);
    if (first.valid) return [];
    let { errors } = first;
    try {
      this.#meter.start(MAX_REPORT_STEPS);
      errors = this.#validate(subject, false).errors;
    } catch {
      // The first pass's errors stand.
    }
    this.#meter.start(Infinity);
    return describeErrors(errors, value, { root: this.#root, lookup: this.#lookup, wording });
  }

  #validate(subject: unknown, shortCircuit: boolean) {
    return validate(subject, this.#root as Schema, this.#draft, this.#lookup as Record<string, Schema>, shortCircuit);
  }

  #stepOf(schema: unknown): Step {
    if (schema === true) return this.#step({}, 1);
    if (schema === false) return this.#step({ enum: listOf([]), complaint: listComplaint([]) }, 1);
    return this.#steps.get(schema as SchemaObject) as Step;
  }

  /** Counts each use of the step: the validator reads this keyword each time, and memX has no other use for it. */
  #step(step: Step, work: number): Step {
    Object.defineProperty(step, "$recursiveAnchor", { get: () => this.#meter.spend(work) });
    return step;
  }

  #fill(step: Step, source: SchemaObject, target: JsonSchema | undefined): void {
    if (target !== undefined) {
      const name = String(Object.keys(this.#lookup).length);
      this.#lookup[name] = this.#stepOf(target);
      step.$ref = name;
    }
    if (target !== undefined && refStandsAlone(this.#draft)) {
      this.#step(step, 1);
      return;
    }
    for (const keyword of PLAIN) if (source[keyword] !== undefined) step[keyword] = source[keyword];
    for (const keyword of ONE) if (source[keyword] !== undefined) step[keyword] = this.#stepOf(source[keyword]);
    for (const keyword of LISTS) if (source[keyword] !== undefined) step[keyword] = this.#stepsOf(source[keyword]);
    for (const keyword of MAPS) if (source[keyword] !== undefined) step[keyword] = this.#stepMap(source[keyword]);
    const { items, dependencies, patternProperties } = source;
    if (items !== undefined) step.items = Array.isArray(items) ? this.#stepsOf(items) : this.#stepOf(items);

    const also: Step[] = [];
    let work = 1;
    for (const values of [source.enum, Object.hasOwn(source, "const") ? [source.const] : undefined]) {
      if (!Array.isArray(values)) continue;
      const rule = {
        enum: listOf(values),
        complaint: listComplaint(values),
        general: generalListComplaint(values),
      };
      work += workOfList(values);
      // A step of its own, so that each rule has its own message.
      also.push(this.#step(rule, 0));
    }
    const textRule = textRuleOf(source, this.#meter);
    if (textRule) {
      const place = this.#textRules.push(textRule) - 1;
      const { message: complaint, general } = textRule;
      also.push(this.#step({ format: String(place), complaint, general }, 0));
    }
    if (source.uniqueItems === true) also.push(this.#uniqueItems());
    if (isObject(dependencies)) also.push(this.#dependencies(dependencies));
    if (also.length > 0) step.allOf = [...((step.allOf as Step[] | undefined) ?? []), ...also];
    if (isObject(patternProperties)) this.#nameProperties(step, patternProperties);
    for (const keyword of ["required", "type", "properties", "dependentRequired", "dependentSchemas"]) {
      const list = source[keyword];
      if (typeof list === "object" && list !== null) work += sizeOfList(list) / 8;
    }
    this.#step(step, work);
  }

  #stepsOf(schemas: unknown): Step[] {
    return (schemas as unknown[]).map((schema) => this.#stepOf(schema));
  }

  #stepMap(schemas: unknown): Record<string, Step> {
    return Object.fromEntries(Object.entries(schemas as object).map(([name, schema]) => [name, this.#stepOf(schema)]));
  }

  /** An array is unique if it equals none of the arrays with repeats in this value. */
  #uniqueItems(): Step {
    this.#usesRepeats = true;
    const repeats = this.#step({}, 0);
    Object.defineProperty(repeats, "enum", {
      get: () => {
        this.#meter.spend(this.#repeatsWork);
        return this.#repeats;
      },
    });
    return this.#step({ not: repeats, complaint: "Must not have equal items." }, 1);
  }

  // The validator finds no references below `dependencies`, so it gets the two keywords that replaced it.
  #dependencies(dependencies: SchemaObject): Step {
    const entries = Object.entries(dependencies);
    return this.#step(
      {
        dependentRequired: Object.fromEntries(entries.filter(([, value]) => Array.isArray(value))),
        dependentSchemas: this.#stepMap(Object.fromEntries(entries.filter(([, value]) => !Array.isArray(value)))),
      },
      1 + sizeOfList(dependencies) / 8,
    );
  }

  /** The validator would run patterns on the platform's engine. Instead it gets the names that match, as properties. */
  #nameProperties(step: Step, patternProperties: SchemaObject): void {
    const fixed = step.properties as Record<string, Step> | undefined;
    const patterns = Object.entries(patternProperties).map(([source, schema]) => ({
      source,
      step: this.#stepOf(schema),
    }));
    Object.defineProperty(step, "properties", {
      get: () => {
        let named = this.#named.get(step);
        if (!named) {
          named = Object.fromEntries(Object.entries(fixed ?? {}));
          for (const name of this.#names) {
            const matching = patterns
              .filter(({ source }) => patternOf(source).test(name, (steps) => this.#meter.spend(steps / 32)))
              .map(({ step }) => step);
            if (matching.length === 0) continue;
            const all = fixed && Object.hasOwn(fixed, name) ? [fixed[name] as Step, ...matching] : matching;
            const value = all.length === 1 ? all[0] : this.#step({ allOf: all }, 1);
            Object.defineProperty(named, name, { value, enumerable: true, configurable: true });
          }
          this.#named.set(step, named);
        }
        this.#meter.spend(Object.keys(named).length / 8);
        return named;
      },
    });
  }
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
