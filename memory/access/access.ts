// What answers whether an API key is good. It is asked by the SHA-256 of the key: nobody behind this sees the key itself.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../errors.ts";
import type { Principal } from "./principal.ts";

export interface Access {
  /**
   * The principals of those that are good; the others are missing.
   * @throws {ApiError} `auth_unavailable`
   */
  find(keyHashes: readonly string[], options?: { readonly evenInOutage?: boolean }): Promise<Principals>;
}

export type Principals = ReadonlyMap<string, Principal>;

/** Of keys that were seen lately. They are in this isolate's memory anyway, with each request. */
const hashes = new LRUCache<string, string>({
  max: LIMITS.maxKnownApiKeys,
  maxSize: 1024 * 1024,
  sizeCalculation: (hash, apiKey) => hash.length + apiKey.length,
});

/** In hexadecimal digits. */
export async function hashApiKey(apiKey: string): Promise<string> {
  const known = hashes.get(apiKey);
  if (known) return known;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(apiKey));
  const hash = new Uint8Array(digest).toHex();
  hashes.set(apiKey, hash);
  return hash;
}

/** For what only whoever runs memX can mend. */
export function misconfigured(detail: string): ApiError {
  return new ApiError("auth_unavailable", detail, { retryAfterSeconds: 60 });
}
