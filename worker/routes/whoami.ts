// What the caller's API key may do, and what this memX is. Tells nothing of stored keys, and nothing of the namespace.

import { Hono } from "hono";
import { CALLER_LIMITS } from "../../config/limits.ts";
import { logLength } from "../../config/store-settings.ts";
import { ownScopes } from "../../memory/access/own-scopes.ts";
import { storeUnavailable } from "../../memory/errors.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";
import { jsonResponse } from "../response/json.ts";

export const whoami = new Hono<AppEnv>();

const limits = Object.fromEntries(Object.entries(CALLER_LIMITS).map(([name, [value]]) => [name, value]));

whoami.get("/whoami", (c) => {
  const { namespace, read, write, name } = c.var.caller;
  const scopes = { read: ownScopes(namespace, read), write: ownScopes(namespace, write) };
  const { engine } = openStore(c.env);
  return jsonResponse(
    JSON.stringify({ name, engine, version, scopes, limits: { ...limits, log: readLogLength(c.env) } }),
  );
});

/** @throws {ApiError} `store_unavailable` if the setting is not valid, as for every call to the store */
function readLogLength(env: Env): number {
  try {
    return logLength(env);
  } catch (cause) {
    throw storeUnavailable(cause);
  }
}
