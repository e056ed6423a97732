// Health: whether memX and its store respond and take writes, for load balancers and people. Needs no API key and reveals no
// secret. A store that takes no writes is a 200: its reads work, so a load balancer must not take memX out of rotation.

import { Hono } from "hono";
import { openStore } from "../../memory/store/open-store.ts";
import type { StoreHealth } from "../../memory/store/store.ts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";
import { HEALTH_WARNINGS } from "../response/health-warnings.ts";

export const health = new Hono<AppEnv>();

health.get("/health", async (c) => {
  const store = openStore(c.env);
  const found = await store.checkHealth();
  const warnings = warningsOf(found);
  return c.json({
    status: found.status,
    store: store.engine,
    version,
    ...(warnings.length > 0 && { warnings }),
  });
});

function warningsOf({ status, evicts }: StoreHealth): { code: string; detail: string }[] {
  const codes: (keyof typeof HEALTH_WARNINGS)[] = [];
  if (status === "full") codes.push("store_full");
  if (status === "read_only") codes.push("store_read_only");
  if (evicts) codes.push("store_evicts");
  return codes.map((code) => ({ code, detail: HEALTH_WARNINGS[code] }));
}
