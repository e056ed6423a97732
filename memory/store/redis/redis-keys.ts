// The names under which Redis holds a namespace. All share its hash tag, so that on a cluster they are in one slot and
// one script may touch them all.

export type RedisKeys = {
  readonly counter: string;
  readonly begin: string;
  readonly log: string;
  readonly texts: string;
  readonly index: string;
  readonly expiries: string;
  readonly bytes: string;
  /** For `ALL_KEYS` that of the namespace. */
  readonly entry: (key: string) => string;
  readonly record: (idempotencyId: string) => string;
};

export function redisKeys(namespace: string): RedisKeys {
  // Encoded, because a "}" in it would end the tag early, and ":" could make two namespaces meet.
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

/** Which namespaces may hold values with a time to live, by when that was last known, in ms. Of no namespace, and so elsewhere. */
export const EXPIRING_NAMESPACES = "memx:expiring";
