// A schema's rules for strings: pattern, minLength and maxLength. The validator runs them through its table of formats.
// By itself it would run a pattern on the platform's backtracking engine, and compile the pattern for every string.

import { format, ucs2length } from "@cfworker/json-schema";
import { generalTextComplaint, textComplaint } from "./describe-errors.ts";
import type { SchemaObject } from "./json-schema.ts";
import { patternOf } from "./patterns/pattern-cache.ts";
import type { Gauge } from "./step.ts";

export type TextRule = {
  readonly message: string;
  /** The message without the schema's text. */
  readonly general: string;
  fits(text: string): boolean;
};

// The validator has one table for all schemas. So its names are numbers, and each schema gives them its own rules.
// This is safe because nothing is asynchronous between `useTextRules` and the end of the check.
let current: readonly TextRule[] = [];
let places = 0;

/** Makes the formats "0", "1", … stand for these rules, until the next call. */
export function useTextRules(rules: readonly TextRule[]): void {
  for (; places < rules.length; places++) {
    const place = places;
    format[place] = (text: string) => current[place]?.fits(text) ?? false;
  }
  current = rules;
}

type StringKeywords = { pattern?: string; minLength?: number; maxLength?: number };

/** The schema's rule for strings, if it has one. */
export function textRuleOf(schema: SchemaObject, gauge: Gauge): TextRule | undefined {
  const { pattern, minLength, maxLength } = schema as StringKeywords;
  if (pattern === undefined && minLength === undefined && maxLength === undefined) return undefined;
  return {
    message: textComplaint(minLength, maxLength, pattern),
    general: generalTextComplaint((minLength ?? maxLength) !== undefined, pattern !== undefined),
    fits(text) {
      const { meter } = gauge;
      meter.spend(text.length / 512);
      const length = ucs2length(text);
      return (
        length >= (minLength ?? 0) &&
        length <= (maxLength ?? Infinity) &&
        (pattern === undefined || patternOf(pattern, meter).test(text, (steps) => meter.spend(steps / 32)))
      );
    },
  };
}
