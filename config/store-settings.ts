// Reads the settings of the store. They stand in config/, because `npm start` checks them without the Worker's source.

import { LIMITS } from "./limits.ts";

/** How much a namespace may contain; `undefined` means any amount. */
export type Quota = {
  /** Keys with a value or a schema. */
  readonly keys: number | undefined;
  /** Bytes of the JSON texts of values and schemas. */
  readonly bytes: number | undefined;
};

/** Time limits of a call to memX that needs the store, in milliseconds. */
export type StoreTimeouts = {
  /** For one request to Redis. */
  readonly requestMs: number;
  /** For starting another attempt of a write. An attempt that takes one request ends before the response is due. */
  readonly lastAttemptMs: number;
  /** For the response to the caller, which may need several requests to Redis. */
  readonly responseMs: number;
};

/** The number of changes that a namespace's log keeps. */
export function logLength({ LOG_LENGTH }: { readonly LOG_LENGTH?: string | undefined }): number {
  return count("LOG_LENGTH", LOG_LENGTH) ?? LIMITS.logLength;
}

export function quota({
  MAX_NAMESPACE_KEYS,
  MAX_NAMESPACE_BYTES,
}: {
  readonly MAX_NAMESPACE_KEYS?: string | undefined;
  readonly MAX_NAMESPACE_BYTES?: string | undefined;
}): Quota {
  return {
    keys: count("MAX_NAMESPACE_KEYS", MAX_NAMESPACE_KEYS),
    bytes: count("MAX_NAMESPACE_BYTES", MAX_NAMESPACE_BYTES),
  };
}

export function storeTimeouts({ STORE_TIMEOUT_MS }: { readonly STORE_TIMEOUT_MS?: string | undefined }): StoreTimeouts {
  const requestMs = Number(STORE_TIMEOUT_MS || 2_000);
  if (!Number.isInteger(requestMs) || requestMs < 100 || requestMs > 60_000) {
    throw new Error("STORE_TIMEOUT_MS must be a whole number from 100 to 60000.");
  }
  return { requestMs, lastAttemptMs: 1.2 * requestMs, responseMs: 2.25 * requestMs };
}

function count(name: string, setting: string | undefined): number | undefined {
  if (!setting) return undefined;
  const number = Number(setting);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${name} must be a whole number of at least 1.`);
  return number;
}
