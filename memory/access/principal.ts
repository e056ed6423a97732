// A principal: who an API key stands for, where its data lives and which keys it may use.

import { ApiError } from "../errors.ts";
import { compileScopes } from "./scopes.ts";

export type Action = "read" | "write";

export type Principal = {
  /** The partition of the store that holds all its keys; empty for the default one. */
  readonly namespace: string;
  /** Globs over the namespaced keys that it may read, and over those that it may write. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** What its API key is called. */
  readonly name?: string;
  readonly allows: (action: Action, key: string) => boolean;
};

/** A principal, and the SHA-256 of the API key that it called with. */
export type Caller = Principal & { readonly keyHash: string };

/** `read` and `write` are globs over namespaced keys (`a1b2c3d4:agent:*`), or over plain keys where there is no user. */
export function createPrincipal({
  userId,
  read,
  write,
  name,
}: {
  userId: string;
  read: readonly string[];
  write: readonly string[];
  name?: string | null | undefined;
}): Principal {
  const namespace = [...userId].slice(0, 8).join("");
  const scopes = { read: compileScopes(read), write: compileScopes(write) };
  const allows: Principal["allows"] = (action, key) => scopes[action](namespacedKey(namespace, key));
  return { namespace, read, write, ...(name && { name }), allows };
}

/** A key as scopes refer to it. */
export function namespacedKey(namespace: string, key: string): string {
  return namespace === "" ? key : `${namespace}:${key}`;
}

/** @throws {ApiError} `forbidden` */
export function authorize(principal: Principal, action: Action, key: string): void {
  if (!principal.allows(action, key)) {
    throw new ApiError("forbidden", `This API key is not allowed to ${action} the key ${JSON.stringify(key)}.`);
  }
}
