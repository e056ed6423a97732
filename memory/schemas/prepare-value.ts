// Prepares a value for the validator: checks its property names, and counts the work of listing a large object's names.

import { pointerStep } from "../pointer-escape.ts";
import { Unchecked, type WorkMeter } from "./work-meter.ts";

/** UTF-16 units. The validator writes each name into many JSON Pointers. */
const MAX_NAME_LENGTH = 1_024;
/** Names that can be listed in one step. */
const SMALL = 64;

/** Parts of a value, or of names, that can be visited in one step. */
const PARTS_OF_A_STEP = 8;

export type Subject = {
  /** The value for the validator. */
  readonly subject: unknown;
  /** Levels of arrays and objects in the value. */
  readonly levels: number;
};

/** Never changes the value. `names` collects all property names. */
export function prepareSubject(value: unknown, meter: WorkMeter, names: Set<string>): Subject {
  let levels = 0;

  function prepare(part: object, path: string, level: number): unknown {
    levels = Math.max(levels, level);
    let size = 0;
    const replaced: [name: string, child: unknown][] = [];
    const visit = (name: string | number, child: unknown, step: () => string) => {
      if (typeof child !== "object" || child === null) return;
      const ready = prepare(child, path + step(), level + 1);
      if (ready !== child) replaced.push([String(name), ready]);
    };
    if (Array.isArray(part)) {
      meter.spend(part.length / (4 * PARTS_OF_A_STEP));
      for (const [index, child] of part.entries()) visit(index, child, () => `/${index}`);
    } else {
      const entries = Object.entries(part);
      meter.spend((1 + entries.length) / PARTS_OF_A_STEP);
      for (const [name, child] of entries) {
        if (name.length > MAX_NAME_LENGTH) {
          throw new Unchecked(`Property names must have at most ${MAX_NAME_LENGTH} characters.`, path);
        }
        if (!name.isWellFormed()) throw new Unchecked("Property names must be well-formed Unicode.", path);
        names.add(name);
        size += 1 + name.length / 32;
        visit(name, child, () => pointerStep(name));
      }
    }
    const subject: object = replaced.length === 0 ? part : Array.isArray(part) ? [...part] : { ...part };
    // Defined, not assigned, because a property may be named __proto__.
    for (const [name, ready] of replaced) {
      Object.defineProperty(subject, name, { value: ready, enumerable: true, configurable: true, writable: true });
    }
    if (size <= SMALL) return subject;
    return new Proxy(subject, {
      ownKeys(target) {
        // The platform reads the descriptor of each name, too.
        meter.spend(size);
        return Reflect.ownKeys(target);
      },
    });
  }

  const subject = typeof value === "object" && value !== null ? prepare(value, "", 1) : value;
  return { subject, levels };
}
