// API keys from an access list in the configuration: `{"a-key": ["agent:*"], "another": {"read": […], "write": […], "user_id": …}}`.

import { compileSchema } from "../schemas/compile-schema.ts";
import { type Access, API_KEY_RULE, hashApiKey, isPossibleApiKey, misconfigured } from "./access.ts";
import { createPrincipal, type Principal } from "./principal.ts";
import { SCOPES_RULE, scopesFit } from "./scope-limits.ts";

type ListedKey = string[] | { read?: string[]; write?: string[]; user_id?: string; name?: string };

const patterns = { type: "array", items: { type: "string" } } as const;
const checkListedKey = compileSchema({
  anyOf: [
    patterns,
    {
      type: "object",
      // No lone surrogates: they have no UTF-8 form, so two namespaces could become one on their way to a store.
      properties: {
        read: patterns,
        write: patterns,
        user_id: { type: "string", pattern: "^\\P{Cs}*$" },
        name: { type: "string" },
      },
      additionalProperties: false,
    },
  ],
});

/** The access list is malformed. The message names entries by number, because their names are secrets. */
export class AccessListError extends Error {
  override readonly name = "AccessListError";
}

/** @throws {AccessListError} */
export function parseAccessList(list: unknown): ReadonlyMap<string, Principal> {
  if (typeof list !== "object" || list === null || Array.isArray(list)) {
    throw new AccessListError("it must be a JSON object from API keys to their scopes");
  }
  const principals = new Map<string, Principal>();
  for (const [index, [apiKey, listed]] of Object.entries(list).entries()) {
    if (!isPossibleApiKey(apiKey)) {
      throw new AccessListError(`API key number ${index + 1} ${API_KEY_RULE}`);
    }
    const lists: object = Array.isArray(listed) ? { read: listed } : Object(listed);
    if (!scopesFit({ read: [], write: [], name: "", ...lists })) {
      throw new AccessListError(`API key number ${index + 1} ${SCOPES_RULE}`);
    }
    const [error] = checkListedKey(listed);
    if (error) {
      throw new AccessListError(
        `the scopes of API key number ${index + 1} must be an array of patterns or {"read": […], "write": […], "user_id": "…", "name": "…"}`,
      );
    }
    const scopes = listed as ListedKey;
    if (Array.isArray(scopes)) principals.set(apiKey, createPrincipal({ userId: "", read: scopes, write: scopes }));
    else {
      const { user_id: userId = "", read = [], write = [], name } = scopes;
      principals.set(apiKey, createPrincipal({ userId, read, write, name }));
    }
  }
  return principals;
}

/**
 * Access by a list, given as an object or as JSON text.
 * @throws {ApiError} `auth_unavailable`
 */
export function listAccess(source: unknown): Access {
  const list = readList(source);
  let byHash: ReadonlyMap<string, Principal> | undefined;
  return {
    async find(keyHashes) {
      byHash ??= await hashed(list);
      const found = new Map<string, Principal>();
      for (const keyHash of keyHashes) {
        const principal = byHash.get(keyHash);
        if (principal) found.set(keyHash, principal);
      }
      return found;
    },
  };
}

function readList(source: unknown): ReadonlyMap<string, Principal> {
  try {
    return parseAccessList(typeof source === "string" ? JSON.parse(source) : source);
  } catch (error) {
    const reason = error instanceof AccessListError ? error.message : "it is not valid JSON";
    throw misconfigured(`The access list in MEMX_ACL cannot be used: ${reason}.`);
  }
}

async function hashed(list: ReadonlyMap<string, Principal>): Promise<ReadonlyMap<string, Principal>> {
  return new Map(
    await Promise.all([...list].map(async ([apiKey, principal]) => [await hashApiKey(apiKey), principal] as const)),
  );
}
