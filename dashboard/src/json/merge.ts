// Merges two changes of one value, made from the same base: what only one side changed is taken, what both changed to
// different values is a conflict for a person to decide.

import { compact, type JsonNode, step } from "./exact.ts";

export type Side = "mine" | "theirs";

export type Conflict = {
  /** JSON Pointer to the place. */
  readonly path: string;
  /** `undefined` on a side where the place does not exist. */
  readonly mine: JsonNode | undefined;
  readonly theirs: JsonNode | undefined;
};

export type Merged = {
  /** The merged value; `undefined` if it is to be deleted. */
  readonly node: JsonNode | undefined;
  readonly conflicts: readonly Conflict[];
};

/** Takes "mine" for a conflict that `choices` does not decide. `undefined` stands for a value that does not exist. */
export function merge(
  base: JsonNode | undefined,
  mine: JsonNode | undefined,
  theirs: JsonNode | undefined,
  choices: ReadonlyMap<string, Side> = new Map(),
): Merged {
  const conflicts: Conflict[] = [];

  const mergeAt = (
    path: string,
    base: JsonNode | undefined,
    mine: JsonNode | undefined,
    theirs: JsonNode | undefined,
  ): JsonNode | undefined => {
    if (isSame(mine, theirs) || isSame(base, theirs)) return mine;
    if (isSame(base, mine)) return theirs;
    if (mine?.type === "object" && theirs?.type === "object" && (base === undefined || base.type === "object")) {
      return mergeObjects(path, base, mine, theirs);
    }
    if (base?.type === "array" && mine?.type === "array" && theirs?.type === "array") {
      const { length } = base.items;
      if (mine.items.length === length && theirs.items.length === length) {
        const items = mine.items.map(
          (item, index) => mergeAt(path + step(index), base.items[index], item, theirs.items[index]) ?? item,
        );
        return { type: "array", items, start: 0, end: 0 };
      }
    }
    conflicts.push({ path, mine, theirs });
    return choices.get(path) === "theirs" ? theirs : mine;
  };

  const mergeObjects = (
    path: string,
    base: (JsonNode & { type: "object" }) | undefined,
    mine: JsonNode & { type: "object" },
    theirs: JsonNode & { type: "object" },
  ): JsonNode => {
    const of = ({ members }: { members: readonly { name: string; node: JsonNode }[] }) =>
      new Map(members.map(({ name, node }) => [name, node]));
    const [bases, ours, others] = [of(base ?? { members: [] }), of(mine), of(theirs)];
    const members = [...new Set([...ours.keys(), ...others.keys()])].flatMap((name) => {
      const node = mergeAt(path + step(name), bases.get(name), ours.get(name), others.get(name));
      return node ? [{ name, node }] : [];
    });
    return { type: "object", members, start: 0, end: 0 };
  };

  return { node: mergeAt("", base, mine, theirs), conflicts };
}

function isSame(a: JsonNode | undefined, b: JsonNode | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || compact(a) === compact(b);
}
