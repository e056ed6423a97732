// JSON Merge Patch (RFC 7396).

import type { JsonText } from "../../sdk/protocol.ts";
import { child, open, type Tree } from "./json-tree.ts";

/** The patched `target`, which is opened, or undefined if absent. Members keep their order; new ones come last. */
export function merge(target: Tree | undefined, patch: JsonText): Tree {
  const changes = open(patch);
  if (!(changes instanceof Map)) return patch;
  const members: Map<string, Tree> = target instanceof Map ? target : new Map();
  for (const [name, change] of changes) {
    if (change === "null") members.delete(name);
    else members.set(name, merge(child(members, name), change as JsonText));
  }
  return members;
}
