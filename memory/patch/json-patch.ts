// JSON Patch (RFC 6902). The whole patch is read before any of it is applied, so an invalid patch is refused whatever
// the value is. Members that the RFC does not name are ignored, as the RFC requires.

import type { JsonText } from "../../sdk/protocol.ts";
import { isInside, parsePointer, showPointer } from "./json-pointer.ts";
import { open, type Tree } from "./json-tree.ts";
import { conflict, invalid, labeled } from "./refusal.ts";
import type { WorkingCopy } from "./working-copy.ts";

type Operation = { readonly label: string; readonly apply: (copy: WorkingCopy) => void };

/** @throws {Refusal} */
export function readOperations(patch: JsonText): readonly Operation[] {
  const operations = open(patch);
  if (!Array.isArray(operations)) throw invalid("A JSON Patch must be an array of operations.");
  return operations.map((operation, index) => readOperation(open(operation), index + 1));
}

/** @throws {Refusal} */
export function applyOperations(copy: WorkingCopy, operations: readonly Operation[]): void {
  for (const { label, apply } of operations) labeled(label, () => apply(copy));
}

function readOperation(members: Tree, number: number): Operation {
  return labeled(`Operation ${number}`, () => {
    if (!(members instanceof Map)) throw invalid("Must be an object.");
    const op = readString(members, "op");
    const pointer = readString(members, "path");
    const path = parsePointer(pointer);
    const label = `Operation ${number} (${op} ${showPointer(pointer)})`;
    switch (op) {
      case "add": {
        const value = readValue(members);
        return { label, apply: (copy) => copy.add(path, value) };
      }
      case "remove":
        return { label, apply: (copy) => copy.remove(path) };
      case "replace": {
        const value = readValue(members);
        return { label, apply: (copy) => copy.replace(path, value) };
      }
      case "move": {
        const from = parsePointer(readString(members, "from"));
        if (isInside(path, from)) throw invalid("Must not move a value into itself.");
        return { label, apply: (copy) => copy.add(path, copy.remove(from)) };
      }
      case "copy": {
        const from = parsePointer(readString(members, "from"));
        return { label, apply: (copy) => copy.copy(from, path) };
      }
      case "test": {
        const value = readValue(members);
        return {
          label,
          apply: (copy) => {
            if (!copy.equals(path, value)) throw conflict("The test failed.");
          },
        };
      }
      default:
        throw invalid('"op" must be add, remove, replace, move, copy, or test.');
    }
  });
}

function readString(members: Map<string, Tree>, name: string): string {
  const text = members.get(name);
  if (typeof text !== "string" || !text.startsWith('"')) throw invalid(`"${name}" must be a string.`);
  return JSON.parse(text);
}

function readValue(members: Map<string, Tree>): JsonText {
  const text = members.get("value");
  if (typeof text !== "string") throw invalid('"value" is missing.');
  return text;
}
