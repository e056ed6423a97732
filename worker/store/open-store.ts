// Picks the engine that the configuration names.

import { createEmbeddedStore } from "./embedded.ts";
import type { Store } from "./store.ts";

export function openStore(env: Env): Store {
  return createEmbeddedStore(env.EMBEDDED_STORE);
}
