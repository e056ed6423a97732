// A JSON value that is opened only where a patch reads it. Everything else stays text, and so keeps its digits, the
// order of its names and its white space. Objects are Maps, so no name is special.

import { LIMITS } from "../../config/limits.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import { outline } from "../json-text.ts";
import { isNumber, sameNumber } from "./decimal.ts";
import { indexOf } from "./json-pointer.ts";
import { invalid } from "./refusal.ts";

/** Trimmed text for a scalar, and for an array or object that is not open yet. */
export type Tree = JsonText | Container;
export type Container = Map<string, Tree> | Tree[];

/** The same value; an array or object becomes a container. */
export function open(tree: Tree): Tree {
  if (typeof tree !== "string") return tree;
  if (tree.startsWith("{")) return outline(tree).members;
  if (tree.startsWith("[")) return outline(tree).items;
  return tree;
}

/** The member or item under a name or index, opened; undefined if there is none. */
export function child(container: Container, token: string): Tree | undefined {
  // The container keeps the opened child, so that no text is read twice.
  if (container instanceof Map) {
    const tree = container.get(token);
    if (tree === undefined) return undefined;
    const opened = open(tree);
    if (opened !== tree) container.set(token, opened);
    return opened;
  }
  const index = indexOf(token, container.length);
  const tree = container[index];
  if (tree === undefined) return undefined;
  const opened = open(tree);
  container[index] = opened;
  return opened;
}

/**
 * Whether an opened value equals the value of a text, as RFC 6902 §4.6 defines it.
 * @param compareNumbers is called with the number of characters of two numbers whose texts differ
 */
export function equals(tree: Tree, text: JsonText, compareNumbers: (chars: number) => void): boolean {
  const other = open(text);
  if (other instanceof Map || Array.isArray(other)) {
    if (typeof tree === "string" || Array.isArray(tree) !== Array.isArray(other)) return false;
    if (sizeOf(tree) !== sizeOf(other)) return false;
    for (const [token, part] of other.entries()) {
      const mine = child(tree, String(token));
      if (mine === undefined || !equals(mine, part as JsonText, compareNumbers)) return false;
    }
    return true;
  }
  if (typeof tree !== "string") return false;
  if (tree === other) return true;
  if (isNumber(tree) && isNumber(other)) {
    compareNumbers(tree.length + other.length);
    return sameNumber(tree, other);
  }
  return tree.startsWith('"') && other.startsWith('"') && JSON.parse(tree) === JSON.parse(other);
}

function sizeOf(container: Container): number {
  return container instanceof Map ? container.size : container.length;
}

/**
 * The tree as JSON text.
 * @throws {Refusal} if the opened part is too deep, because moves can nest without end
 */
export function print(tree: Tree, level = 0): JsonText {
  if (typeof tree === "string") return tree;
  if (level >= LIMITS.maxJsonDepth) throw tooDeep();
  if (Array.isArray(tree)) return `[${tree.map((item) => print(item, level + 1)).join(",")}]`;
  const members: JsonText[] = [];
  for (const [name, member] of tree) members.push(`${JSON.stringify(name)}:${print(member, level + 1)}`);
  return `{${members.join(",")}}`;
}

export function tooDeep() {
  return invalid(`The result must not have more than ${LIMITS.maxJsonDepth} levels of nesting.`);
}
