// The versions of what memX stores. A memX refuses a store of a later version than these, and changes nothing in it.

/** Of the data folder: how many migrations its objects may have run. Tests compare it with `MIGRATIONS`. */
export const EMBEDDED_VERSION = 7;

/** Of the keys in Redis. A store that names no version has the first. */
export const REDIS_VERSION = 1;
