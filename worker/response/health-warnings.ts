// What GET /health warns the operator of. The codes are stable.

export const HEALTH_WARNINGS = {
  store_full: "The store is full. Reads work, and so do writes that free more room than they need.",
  store_read_only: "The store takes no writes. Reads work.",
  store_evicts: "The store deletes data by itself when it is full, and memX cannot notice: turn eviction off.",
} as const;
