// What JSON cannot carry, found before anything is sent. `JSON.stringify` writes `null` or `{}` in its place, or throws
// without a word about where it is.

import { InvalidRequestError } from "./errors.ts";
import { toPointer } from "./json-pointer.ts";

/** So deep that memX refuses it anyway, and not so deep that a recursion fails. */
const MAX_LEVELS = 1_000;

/** The members of a request that errors show as a document of its own, as memX's errors do. */
const DOCUMENTS = /^\/(?:value|merge|schema)(?=\/|$)/;

type Fault = { readonly path: string; readonly message: string };

/**
 * Accepts what `JSON.stringify` writes as it is: JSON, objects with `toJSON` such as dates, and members that are
 * `undefined`, which it leaves out.
 *
 * @throws {InvalidRequestError} with the place of the first fault, as a JSON Pointer
 */
export function checkJson(body: Readonly<Record<string, unknown>>, key: string | undefined): void {
  const fault = findFault(body, "", "", new Set());
  if (!fault) return;
  const error = { ...fault, path: fault.path.replace(DOCUMENTS, "") };
  throw new InvalidRequestError("invalid_request", `The value is not JSON. ${error.path || "It"}: ${error.message}`, {
    key,
    errors: [error],
  });
}

function findFault(original: unknown, name: string, path: string, parents: Set<object>): Fault | undefined {
  const value = toJson(original, name);
  const found = (message: string) => ({ path, message });
  switch (typeof value) {
    case "object":
      return value === null ? undefined : findFaultInObject(value, path, parents);
    case "number":
      return Number.isFinite(value) ? undefined : found(`JSON has no ${value}.`);
    case "string":
    case "boolean":
      return undefined;
    default:
      return found(`JSON has no ${typeof value}.`);
  }
}

function findFaultInObject(value: object, path: string, parents: Set<object>): Fault | undefined {
  const found = (message: string) => ({ path, message });
  if (parents.has(value)) return found("Must not contain itself.");
  if (parents.size >= MAX_LEVELS) return found(`Must not have more than ${MAX_LEVELS} levels of nesting.`);
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (kind === "Number") return findFault(Number(value), "", path, parents);
  if (kind === "String" || kind === "Boolean") return undefined;
  // A valid date is a text by now.
  if (kind === "Date") return found("JSON has no invalid date.");
  if (kind !== "Object" && !Array.isArray(value)) return found(`JSON has no ${kind}.`);
  parents.add(value);
  try {
    for (const name of Array.isArray(value) ? value.keys() : Object.keys(value)) {
      const member = (value as Record<string | number, unknown>)[name];
      if (member === undefined && !Array.isArray(value)) continue;
      const fault = findFault(member, String(name), path + toPointer(name), parents);
      if (fault) return fault;
    }
  } finally {
    parents.delete(value);
  }
  return undefined;
}

/** As `JSON.stringify` does. A date without a time becomes `null` there, so it stays here. */
function toJson(value: unknown, name: string): unknown {
  if (value === null || value === undefined || (value instanceof Date && Number.isNaN(value.getTime()))) return value;
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === "function" ? toJSON.call(value, name) : value;
}
