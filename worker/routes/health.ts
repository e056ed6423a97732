// Health: whether memX and its store respond, for load balancers and people. Needs no API key and reveals no secret.

import { Hono } from "hono";
import { openStore } from "../../memory/store/open-store.ts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";

export const health = new Hono<AppEnv>();

health.get("/health", async (c) => {
  const store = openStore(c.env);
  await store.ping();
  return c.json({ status: "ok", store: store.engine, version });
});
