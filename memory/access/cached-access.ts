// Caches what an isolate knows of API keys, so that a call in steady state makes no look-up. Refusals have a cache of their own:
// anyone can invent keys, and invented keys must not evict valid ones.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import type { Access, Principals } from "./access.ts";
import type { Principal } from "./principal.ts";

type Accepted = {
  readonly principal: Principal;
  /** When the source was last asked for it, successfully. */
  readonly checkedMs: number;
  /** No call asks before this: another call is asking, or has just failed to get a response. */
  nextAskMs: number;
  /** The source did not respond to the last look-up. */
  unanswered: boolean;
};

/** Fraction of the lifetime of an entry. After it, one call asks again while the others continue with what is known. */
const REFRESH_AT = 5 / 6;

/** After a failure, calls with a known key leave the source alone for this long. */
const REST_MS = 2_000;

export function cachedAccess(
  source: Access,
  {
    acceptedMs,
    refusedMs = LIMITS.refusalMs,
    outageMs = LIMITS.accessOutageMs,
    now = Date.now,
  }: { acceptedMs: number; refusedMs?: number; outageMs?: number; now?: () => number },
): Access {
  const accepted = new LRUCache<string, Accepted>({ max: LIMITS.maxKnownApiKeys });
  const refused = new LRUCache<string, number>({ max: LIMITS.maxKnownApiKeys });

  /** Whether it is less than `ms` since then. A time that is yet to come is from before the clock went back. */
  const isWithin = (ms: number, thenMs: number | undefined): boolean =>
    thenMs !== undefined && thenMs <= now() && now() - thenMs < ms;

  const isKnown = (keyHash: string, evenInOutage: boolean): boolean => {
    const refusedAt = refused.get(keyHash);
    if (isWithin(Math.min(refusedMs, acceptedMs), refusedAt)) return true;
    const entry = accepted.get(keyHash);
    if (!entry) return false;
    if (isWithin(acceptedMs * REFRESH_AT, entry.checkedMs)) return true;
    return (
      now() < entry.nextAskMs && isWithin(entry.unanswered && evenInOutage ? outageMs : acceptedMs, entry.checkedMs)
    );
  };

  /** Returns what is known afterward: a look-up that a later one has overtaken has no effect. */
  const learn = (keyHash: string, principal: Principal | undefined, checkedMs: number): Principal | undefined => {
    const known = accepted.get(keyHash);
    const laterMs = Math.max(known?.checkedMs ?? 0, refused.get(keyHash) ?? 0);
    if (laterMs > checkedMs && laterMs <= now()) return known?.principal;
    accepted.delete(keyHash);
    refused.delete(keyHash);
    if (principal) accepted.set(keyHash, { principal, checkedMs, nextAskMs: 0, unanswered: false });
    else refused.set(keyHash, checkedMs);
    return principal;
  };

  return {
    async find(keyHashes, { evenInOutage = true } = {}): Promise<Principals> {
      // Collected as they are learned, because later entries can evict earlier ones from the cache.
      const found = new Map<string, Principal>();
      const gather = (keyHash: string, principal: Principal | undefined) => principal && found.set(keyHash, principal);
      const unknown: string[] = [];
      for (const keyHash of keyHashes) {
        if (isKnown(keyHash, evenInOutage)) gather(keyHash, accepted.get(keyHash)?.principal);
        else unknown.push(keyHash);
      }
      if (unknown.length === 0) return found;
      const askedMs = now();
      // A promise belongs to its request, so other requests cannot await this one; they use what is known meanwhile.
      const entries = unknown.map((keyHash) => accepted.get(keyHash)).filter((entry) => entry !== undefined);
      for (const entry of entries) entry.nextAskMs = askedMs + LIMITS.accessTimeoutMs;
      try {
        const principals = await source.find(unknown);
        for (const keyHash of unknown) gather(keyHash, learn(keyHash, principals.get(keyHash), askedMs));
      } catch (cause) {
        for (const entry of entries) {
          entry.unanswered = true;
          entry.nextAskMs = now() + REST_MS;
        }
        for (const keyHash of unknown) {
          if (!isKnown(keyHash, evenInOutage)) throw cause;
          gather(keyHash, accepted.get(keyHash)?.principal);
        }
      }
      return found;
    },
  };
}
