// A copy of a key's value while a patch is applied to it: reads and changes the places that JSON Pointers lead to, and
// counts the work. The stored value is not touched, so a patch that fails halfway has changed nothing.

import { LIMITS } from "../../config/limits.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { outline } from "../json-text.ts";
import type { WorkMeter } from "../schemas/work-meter.ts";
import { indexOf } from "./json-pointer.ts";
import { type Container, child, equals, print, type Tree, tooDeep } from "./json-tree.ts";
import { conflict, invalid } from "./refusal.ts";

/** Characters in all copies of one patch. Each copy can double the value, so thirty copies would fill the memory. */
const MAX_COPIED_CHARS = 4 * LIMITS.maxValueBytes;

/** Array items that are shifted in one step of work. Each takes one or two nanoseconds. */
const SHIFTED_IN_A_STEP = 512;

/** Digits that are read in one step. Numbers with 100,000 digits take far more than linear time to read. */
const DIGITS_OF_A_STEP = 32;

export class WorkingCopy {
  /** The value is the member "" of a container, so that the root is a place like any other. */
  readonly #holder = new Map<string, Tree>();
  #copiedChars = 0;
  readonly #meter: WorkMeter;

  constructor(text: JsonText | null, meter: WorkMeter) {
    this.#meter = meter;
    if (text !== null) this.#holder.set("", text);
  }

  /** @throws {Refusal} if no value exists at the path */
  read(path: readonly string[]): Tree {
    const [parent, token] = this.#locate(path);
    const tree = child(parent, token);
    if (tree === undefined) throw noValue();
    return tree;
  }

  /** Adds or replaces a member, or inserts an item. */
  add(path: readonly string[], tree: Tree): void {
    const [parent, token] = this.#locate(path);
    if (parent instanceof Map) {
      parent.set(token, tree);
      return;
    }
    const index = indexOf(token, parent.length);
    if (index < 0 || index > parent.length) throw notAnIndex();
    this.#meter.spend((parent.length - index) / SHIFTED_IN_A_STEP);
    parent.splice(index, 0, tree);
  }

  remove(path: readonly string[]): Tree {
    const tree = this.read(path);
    const [parent, token] = this.#locate(path);
    if (parent instanceof Map) {
      parent.delete(token);
      return tree;
    }
    const index = indexOf(token, parent.length);
    this.#meter.spend((parent.length - index) / SHIFTED_IN_A_STEP);
    parent.splice(index, 1);
    return tree;
  }

  replace(path: readonly string[], tree: Tree): void {
    this.read(path);
    const [parent, token] = this.#locate(path);
    if (parent instanceof Map) parent.set(token, tree);
    else parent[indexOf(token, parent.length)] = tree;
  }

  copy(from: readonly string[], path: readonly string[]): void {
    // As text, so that a later change in one of the two does not change the other.
    const text = print(this.read(from));
    this.#copiedChars += text.length;
    if (this.#copiedChars > MAX_COPIED_CHARS) {
      throw invalid(`The copies of a patch must not have more than ${MAX_COPIED_CHARS} characters in total.`);
    }
    this.add(path, text);
  }

  equals(path: readonly string[], text: JsonText): boolean {
    return equals(this.read(path), text, (chars) => this.#meter.spend(chars / DIGITS_OF_A_STEP));
  }

  /** Replaces the value at `path` with the result of `change`, and creates missing objects on the way. */
  update(path: readonly string[], change: (current: Tree | undefined) => Tree): void {
    const last = path.at(-1) ?? "";
    let parent: Container = this.#holder;
    for (const token of ["", ...path].slice(0, -1)) {
      let next = child(parent, token);
      if (next === undefined) {
        next = new Map();
        put(parent, token, next);
      }
      if (typeof next === "string") throw notAContainer();
      parent = next;
    }
    put(parent, last, change(child(parent, last)));
  }

  /** The whole value as text, null if there is none. */
  toText(): JsonText | null {
    const root = this.#holder.get("");
    if (root === undefined) return null;
    const text = print(root);
    if (outline(text).depth > LIMITS.maxJsonDepth) throw tooDeep();
    return text;
  }

  /** The container of the place, and the place's token in it. The place itself need not exist. */
  #locate(path: readonly string[]): [parent: Container, token: string] {
    let parent: Container = this.#holder;
    let token = "";
    for (const next of path) {
      const container = child(parent, token);
      if (container === undefined) throw noValue();
      if (typeof container === "string") throw notAContainer();
      parent = container;
      token = next;
    }
    return [parent, token];
  }
}

function put(container: Container, token: string, tree: Tree): void {
  if (container instanceof Map) {
    container.set(token, tree);
    return;
  }
  const index = indexOf(token, container.length);
  if (index < 0 || index > container.length) throw notAnIndex();
  container[index] = tree;
}

function noValue() {
  return conflict("No value exists at this path.");
}

function notAContainer() {
  return conflict("The path leads into a value that is neither an object nor an array.");
}

function notAnIndex() {
  return conflict("The path must lead to an item of the array or to the position after the last item.");
}
