// What is known of API keys in this isolate, so that a call in steady state asks nobody. Refusals are kept apart, because anyone
// can make up keys: they must not push out what is known of good ones.

import { LRUCache } from "lru-cache";
import { LIMITS } from "../../config/limits.ts";
import type { Access, Principals } from "./access.ts";
import type { Principal } from "./principal.ts";

type Accepted = {
  readonly principal: Principal;
  /** When the source was asked for it. */
  readonly checkedMs: number;
  /** Nobody else asks before: somebody does, or did in vain a moment ago. */
  nextAskMs: number;
  /** The source did not answer when it was asked last. */
  unanswered: boolean;
};

/** Of the time for which a key is believed. After it one call asks again while others go on, and none of them waits in vain. */
const REFRESH_AT = 5 / 6;

/** So long a source that has failed is let alone by callers whose key is known. */
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

  const isKnown = (keyHash: string, evenInOutage: boolean): boolean => {
    const refusedAt = refused.get(keyHash);
    if (refusedAt !== undefined && now() - refusedAt < Math.min(refusedMs, acceptedMs)) return true;
    const entry = accepted.get(keyHash);
    if (!entry) return false;
    const ageMs = now() - entry.checkedMs;
    if (ageMs < acceptedMs * REFRESH_AT) return true;
    return now() < entry.nextAskMs && ageMs < (entry.unanswered && evenInOutage ? outageMs : acceptedMs);
  };

  /** Answers what is known then: an answer that was overtaken says nothing any more. */
  const learn = (keyHash: string, principal: Principal | undefined, checkedMs: number): Principal | undefined => {
    const known = accepted.get(keyHash);
    if (Math.max(known?.checkedMs ?? 0, refused.get(keyHash) ?? 0) > checkedMs) return known?.principal;
    accepted.delete(keyHash);
    refused.delete(keyHash);
    if (principal) accepted.set(keyHash, { principal, checkedMs, nextAskMs: 0, unanswered: false });
    else refused.set(keyHash, checkedMs);
    return principal;
  };

  return {
    async find(keyHashes, { evenInOutage = true } = {}): Promise<Principals> {
      // Gathered as they are learned, because what is remembered may be pushed out by those that follow.
      const found = new Map<string, Principal>();
      const gather = (keyHash: string, principal: Principal | undefined) => principal && found.set(keyHash, principal);
      const unknown: string[] = [];
      for (const keyHash of keyHashes) {
        if (isKnown(keyHash, evenInOutage)) gather(keyHash, accepted.get(keyHash)?.principal);
        else unknown.push(keyHash);
      }
      if (unknown.length === 0) return found;
      const askedMs = now();
      // A promise belongs to its request, so others can not wait for this one; they go by what is known meanwhile.
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
