// Makes a value ready for the validator: its names are in bounds, and listing a large object's names costs what it costs.

import { pointerStep } from "../pointer-escape.ts";
import { Unchecked, type WorkMeter } from "./work-meter.ts";

/** UTF-16 units of a property name. The validator writes names into pointers again and again. */
const MAX_NAME_LENGTH = 1_024;
/** Names that can be listed within one step. */
const SMALL = 64;

/** The value as the validator may see it, never changed itself. `names` collects every property name in it. */
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
  // Defined, not assigned: a property may be named __proto__.
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
