// Prepares a value for the validator: checks its property names, and counts the work of listing a large object's names.

import { pointerStep } from "../pointer-escape.ts";
import { Unchecked, type WorkMeter } from "./work-meter.ts";

/** UTF-16 units. The validator writes each name into many JSON Pointers. */
const MAX_NAME_LENGTH = 1_024;
/** Names that can be listed in one step. */
const SMALL = 64;

/** Returns the value for the validator, and never changes the original. `names` collects all property names. */
export function prepareSubject(value: unknown, meter: WorkMeter, names: Set<string>, path = ""): unknown {
  if (typeof value !== "object" || value === null) return value;
  let size = 0;
  const replaced: [name: string, child: unknown][] = [];
  if (Array.isArray(value)) {
    for (const [index, child] of value.entries()) {
      const ready = prepareSubject(child, meter, names, `${path}/${index}`);
      if (ready !== child) replaced.push([String(index), ready]);
    }
  } else {
    for (const [name, child] of Object.entries(value)) {
      if (name.length > MAX_NAME_LENGTH) {
        throw new Unchecked(`Property names must have at most ${MAX_NAME_LENGTH} characters.`, path);
      }
      if (!name.isWellFormed()) throw new Unchecked("Property names must be well-formed Unicode.", path);
      names.add(name);
      size += 1 + name.length / 32;
      const ready = typeof child === "object" ? prepareSubject(child, meter, names, path + pointerStep(name)) : child;
      if (ready !== child) replaced.push([name, ready]);
    }
  }
  const subject: object = replaced.length === 0 ? value : Array.isArray(value) ? [...value] : { ...value };
  // Defined, not assigned, because a property may be named __proto__.
  for (const [name, ready] of replaced) {
    Object.defineProperty(subject, name, { value: ready, enumerable: true, configurable: true, writable: true });
  }
  if (size <= SMALL) return subject;
  return new Proxy(subject, {
    ownKeys(target) {
      meter.spend(size / 4);
      return Reflect.ownKeys(target);
    },
  });
}
