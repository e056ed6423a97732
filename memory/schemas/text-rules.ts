// The schema's rules for strings (pattern, minLength, maxLength), run by the validator through its table of formats.
// It would run a pattern on its own backtracking engine, and build that anew for every string.

import { format, ucs2length } from "@cfworker/json-schema";
import { textComplaint } from "./describe-errors.ts";
import type { SchemaObject } from "./json-schema.ts";
import { patternOf } from "./patterns/pattern-cache.ts";
import type { WorkMeter } from "./work-meter.ts";

export type TextRule = { readonly message: string; fits(text: string): boolean };

// The table belongs to the module, rules to a schema: its places are numbers that mean another schema's rules each time.
// Nothing is asynchronous between `useTextRules` and the end of the check.
let current: readonly TextRule[] = [];
let places = 0;

/** Makes the formats "0", "1", … mean these rules, until the next call. */
export function useTextRules(rules: readonly TextRule[]): void {
  for (; places < rules.length; places++) {
    const place = places;
    format[place] = (text: string) => current[place]?.fits(text) ?? false;
  }
  current = rules;
}

/** The rule that a schema sets for strings, if it does. */
export function textRuleOf({ pattern, minLength, maxLength }: SchemaObject, meter: WorkMeter): TextRule | undefined {
  if (pattern === undefined && minLength === undefined && maxLength === undefined) return undefined;
  const source = pattern as string | undefined;
  const min = (minLength ?? 0) as number;
  const max = (maxLength ?? Infinity) as number;
  return {
    message: textComplaint(minLength as number | undefined, maxLength as number | undefined, source),
    fits(text) {
      meter.spend(text.length / 512);
      const length = ucs2length(text);
      return (
        length >= min &&
        length <= max &&
        (source === undefined || patternOf(source).test(text, (steps) => meter.spend(steps / 32)))
      );
    },
  };
}
