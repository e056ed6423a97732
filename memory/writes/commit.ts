// What a caller is told whose `expect` does not hold: 409 with what is held instead, if it may read that.

import { encodeCurrent, type FieldError } from "../../sdk/protocol.ts";
import type { Principal } from "../access/principal.ts";
import { ApiError } from "../errors.ts";
import type { Applied, Conflict, Operation } from "../store/store.ts";

/**
 * The outcome, if it is none.
 * @param path of the operation that met it, where there are several
 * @throws {ApiError} `conflict`
 */
export function applyOrConflict(
  outcome: Applied | Conflict,
  principal: Principal,
  operations: readonly Pick<Operation, "op" | "key">[],
  path?: (operation: number) => string,
): Applied {
  if (outcome.outcome === "applied") return outcome;
  const operation = operations[outcome.operation];
  if (!operation) throw new Error("the store refused an operation that was not there");
  const { op, key } = operation;
  const what = op === "schema_set" || op === "schema_delete" ? "schema" : "value";
  const message = outcome.current
    ? `The key holds another ${what} than the one that is expected.`
    : `The key holds no ${what}.`;
  const errors: FieldError[] | undefined = path && [{ path: `${path(outcome.operation)}/expect`, message }];
  throw new ApiError("conflict", errors ? `${errors[0]?.path}: ${message}` : message, {
    ...(errors && { errors }),
    ...(principal.allows("read", key) && {
      current: outcome.current ? encodeCurrent(what, outcome.current) : "null",
    }),
  });
}
