// Everything a write can end with, and how a caller learns of each: one exhaustive switch from outcome to error.

import { encodeCurrent, type FieldError } from "../../sdk/protocol.ts";
import type { Principal } from "../access/principal.ts";
import { ApiError } from "../errors.ts";
import type { RefusalCode } from "../patch/refusal.ts";
import type { Applied, Operation, Refused, SchemaChanged } from "../store/store.ts";

export type FinalOutcome = Applied | FinalRefusal;

/** Nothing was written. */
export type FinalRefusal =
  | Exclude<Refused, SchemaChanged>
  | SchemaViolation
  | SchemaUnsettled
  | PatchRefused
  | TooLarge
  | TooComplex;

/** The value of an operation does not match its key's current schema. `errors` are relative to that value. */
export type SchemaViolation = {
  readonly outcome: "schema_violation";
  readonly operation: number;
  readonly errors: readonly FieldError[];
};

/** The schema changed at every attempt. */
export type SchemaUnsettled = { readonly outcome: "schema_unsettled" };

/** The patch is malformed, or does not fit the current value. `detail` contains nothing of that value. */
export type PatchRefused = { readonly outcome: "patch_refused"; readonly code: RefusalCode; readonly detail: string };

/** The patched value would exceed the limit. */
export type TooLarge = { readonly outcome: "too_large"; readonly maxBytes: number };

/** Checking the request takes too many steps. `operation` is the one at which they ran out. */
export type TooComplex = { readonly outcome: "too_complex"; readonly operation: number };

/** What an error message needs to know of the write. */
export type Refusing = {
  readonly caller: Principal;
  readonly operations: readonly Pick<Operation, "op" | "key">[];
  /** JSON Pointer (RFC 6901) of an operation in the request, if the request has several. */
  readonly pathOf?: ((operation: number) => string) | undefined;
};

export function refusalError(outcome: FinalRefusal, { caller, operations, pathOf }: Refusing): ApiError {
  switch (outcome.outcome) {
    case "conflict": {
      const operation = operations[outcome.operation];
      if (!operation) throw new Error("the store refused an operation that the write does not have");
      const kind = operation.op === "schema_set" || operation.op === "schema_delete" ? "schema" : "value";
      const message = outcome.current
        ? `The key's current ${kind === "schema" ? "schema " : ""}revision does not match \`expect\`.`
        : `The key has no ${kind}, so \`expect\` does not match.`;
      const path = pathOf && `${pathOf(outcome.operation)}/expect`;
      return new ApiError("conflict", path ? `${path}: ${message}` : message, {
        revision: outcome.head,
        ...(path && { errors: [{ path, message }] }),
        ...(caller.allows("read", operation.key) && {
          current: outcome.current ? encodeCurrent(kind, outcome.current) : "null",
        }),
      });
    }
    case "schema_violation": {
      // A single value is the root of its own paths; a value in a batch has a place in the request.
      const root = pathOf ? `${pathOf(outcome.operation)}/value` : "";
      const errors = outcome.errors.map((error) => ({ ...error, path: root + error.path }));
      const summary = errors.map(({ path, message }) => `${path || "The value"}: ${message}`).join(" ");
      return new ApiError("schema_violation", `The value does not match the key's schema. ${summary}`, { errors });
    }
    case "too_complex": {
      const message = "Checking the values against their schemas takes too many steps.";
      const path = pathOf && `${pathOf(outcome.operation)}/value`;
      return new ApiError("too_complex", `${message} Write fewer or smaller values, or use simpler schemas.`, {
        ...(path && { errors: [{ path, message: "The steps of the request ran out here." }] }),
      });
    }
    case "schema_unsettled":
      return new ApiError("conflict", "The key's schema changes faster than the value can be checked. Try again.");
    case "ts_ahead": {
      const path = `${pathOf?.(outcome.operation) ?? ""}/ts`;
      const message = "Must not be more than a minute ahead of the store's clock.";
      return new ApiError("invalid_request", `The body is not valid. ${path}: ${message}`, {
        errors: [{ path, message }],
      });
    }
    case "quota_exceeded":
      return new ApiError(
        "quota_exceeded",
        outcome.of === "keys"
          ? "The namespace has reached its key limit. Delete keys or update existing ones."
          : "The namespace has reached its size limit. Delete keys or write smaller values.",
      );
    case "id_reused":
      return new ApiError(
        "invalid_request",
        "This Idempotency-Key was already used for a different request. Use a new one for each write.",
      );
    case "value_gone":
      return new ApiError(
        "value_gone",
        `An earlier request with this Idempotency-Key applied the patch as revision ${outcome.revision}. The value that it wrote has been replaced since and is no longer stored.`,
      );
    case "patch_refused":
      return new ApiError(outcome.code, `The patch cannot be applied. ${outcome.detail}`);
    case "too_large":
      return new ApiError("too_large", `The patched value would be larger than ${outcome.maxBytes} bytes of JSON.`);
  }
}
