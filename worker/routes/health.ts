// Health: whether memX and its store respond and take writes, for load balancers and people. Needs no API key and reveals no
// secret. A store that takes no writes is a 200: its reads work, so a load balancer must not take memX out of rotation. With
// `?ready` memX must be able to do all of its work: the store takes writes, and the source of API keys responds.

import { Hono } from "hono";
import { checkAccess } from "../../memory/access/open-access.ts";
import { ApiError } from "../../memory/errors.ts";
import { openStore } from "../../memory/store/open-store.ts";
import type { StoreHealth } from "../../memory/store/store.ts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";
import { invalid } from "../request/read-request.ts";
import { HEALTH_WARNINGS } from "../response/health-warnings.ts";

export const health = new Hono<AppEnv>();

health.get("/health", async (c) => {
  const ready = asksForReady(c.req.queries("ready"));
  const store = openStore(c.env);
  const [found] = await Promise.all([store.checkHealth(), ready ? checkAccess(c.env) : undefined]);
  if (ready) requireWritable(found);
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

/** @throws {ApiError} `invalid_request`: a check that asks for something else must not pass by mistake */
function asksForReady(given: readonly string[] | undefined): boolean {
  if (given === undefined) return false;
  if (given.length === 1 && (given[0] === "" || given[0] === "true")) return true;
  throw invalid("query", [{ path: "/ready", message: "Must be empty or `true`, once." }]);
}

/** @throws {ApiError} `store_unavailable`, saying why */
function requireWritable({ status }: StoreHealth): void {
  if (status === "ok") return;
  throw new ApiError("store_unavailable", HEALTH_WARNINGS[`store_${status}`], { retryAfterSeconds: 10 });
}
