// Whoever an API key stands for: where its keys live and which of them it may use.

import { ApiError } from "../errors.ts";
import { compileScopes } from "./scopes.ts";

export type Action = "read" | "write";

export type Principal = {
  /** The partition of the store that all its keys are in; empty for none. */
  readonly namespace: string;
  /** Globs over the namespaced keys that it may read. */
  readonly read: readonly string[];
  readonly allows: (action: Action, key: string) => boolean;
};

/** A principal, and the SHA-256 of the API key by which it came. */
export type Caller = Principal & { readonly keyHash: string };

/** `read` and `write` are globs over namespaced keys (`a1b2c3d4:agent:*`), or over plain keys where there is no user. */
export function createPrincipal({
  userId,
  read,
  write,
}: {
  userId: string;
  read: readonly string[];
  write: readonly string[];
}): Principal {
  const namespace = [...userId].slice(0, 8).join("");
  const scopes = { read: compileScopes(read), write: compileScopes(write) };
  return { namespace, read, allows: (action, key) => scopes[action](namespacedKey(namespace, key)) };
}

/** A key as scopes see it. */
export function namespacedKey(namespace: string, key: string): string {
  return namespace === "" ? key : `${namespace}:${key}`;
}

/** @throws {ApiError} `forbidden` */
export function authorize(principal: Principal, action: Action, key: string): void {
  if (!principal.allows(action, key)) {
    throw new ApiError("forbidden", `This API key may not ${action} the key ${JSON.stringify(key)}.`);
  }
}
