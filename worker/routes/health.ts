// Health: whether memX answers and its store does, for load balancers and people. Needs no key and tells no secret.

import { Hono } from "hono";
import { openStore } from "../../memory/store/open-store.ts";
import { version } from "../../package.json";

export const health = new Hono<{ Bindings: Env }>();

health.get("/health", async (c) => {
  const store = openStore(c.env);
  await store.ping();
  return c.json({ status: "ok", store: store.engine, version });
});
