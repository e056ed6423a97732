// A source of API keys, looked up by SHA-256 so that no source sees the key itself.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../errors.ts";
import type { Principal } from "./principal.ts";

export interface Access {
  /**
   * Returns the principals of the valid keys. Invalid keys are missing from the map.
   * @throws {ApiError} `auth_unavailable`
   */
  find(keyHashes: readonly string[], options?: { readonly evenInOutage?: boolean }): Promise<Principals>;
}

export type Principals = ReadonlyMap<string, Principal>;

/** What an API key must be, because headers carry nothing else unchanged: some clients send é as one byte, some as two. */
export const API_KEY_RULE = "must consist of visible ASCII characters, without spaces";

export function isPossibleApiKey(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

/** Hashes of recently seen keys. Each request brings its key into this isolate's memory anyway. */
const hashes = new LRUCache<string, string>({
  max: LIMITS.maxKnownApiKeys,
  maxSize: 1024 * 1024,
  sizeCalculation: (hash, apiKey) => hash.length + apiKey.length,
});

/** Returns the SHA-256 in hexadecimal digits. */
export async function hashApiKey(apiKey: string): Promise<string> {
  const known = hashes.get(apiKey);
  if (known) return known;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(apiKey));
  const hash = new Uint8Array(digest).toHex();
  hashes.set(apiKey, hash);
  return hash;
}

/** For what only the operator of memX can fix. */
export function misconfigured(detail: string): ApiError {
  return new ApiError("auth_unavailable", detail, { retryAfterSeconds: 60 });
}
