// The Model Context Protocol, for agents in hosts that speak it.

import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { checkOrigin } from "../mcp/check-origin.ts";
import { serveMcp } from "../mcp/serve-mcp.ts";

export const mcp = new Hono<AppEnv>();

mcp.post("/mcp", (c) => {
  checkOrigin(c.req.raw, c.env);
  return serveMcp(c);
});
