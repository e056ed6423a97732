// The names of a namespace's Redis keys. All share its hash tag, so that on a cluster they are in one slot, and one
// script may use them all.

export type RedisKeys = {
  readonly counter: string;
  readonly begin: string;
  readonly log: string;
  readonly texts: string;
  readonly index: string;
  readonly expiries: string;
  readonly bytes: string;
  /** For `ALL_KEYS`, the entry of the namespace. */
  readonly entry: (key: string) => string;
  readonly record: (idempotencyId: string) => string;
};

export function redisKeys(namespace: string): RedisKeys {
  // Encoded, because a "}" would end the tag early, and a ":" could make two namespaces share a name.
  const tag = `{memx:${encodeURIComponent(namespace)}}`;
  return {
    counter: `${tag}:revision`,
    begin: `${tag}:begin`,
    log: `${tag}:log`,
    texts: `${tag}:texts`,
    index: `${tag}:keys`,
    expiries: `${tag}:expiries`,
    bytes: `${tag}:bytes`,
    entry: (key) => `${tag}:entry:${key}`,
    record: (id) => `${tag}:idempotency:${id}`,
  };
}

/** The namespace that a tag names, which is what stands between "{memx:" and "}". */
export function namespaceOf(tag: string): string {
  return decodeURIComponent(tag);
}

/**
 * A sorted set of the namespaces that may have values with a time to live, by when each was last listed, in ms. It
 * belongs to no namespace, so it has no hash tag.
 */
export const EXPIRING_NAMESPACES = "memx:expiring";

/** A key that is never set. A write to it that changes nothing shows whether Redis takes writes. */
export const HEALTH = "memx:health";

/**
 * The version of what is stored, absent for the first. A memX that stores something else sets it before its first write. On a
 * cluster it is in the slot of `HEALTH`.
 */
export const VERSION = "{memx:health}:version";
