// The Model Context Protocol, for agents in hosts that speak it. The MCP server is loaded by the first call that needs it: it is
// almost as large as the rest of memX, and most isolates never get such a call.

import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { checkOrigin } from "../mcp/check-origin.ts";

export const mcp = new Hono<AppEnv>();

mcp.post("/mcp", async (c) => {
  checkOrigin(c.req.raw, c.env);
  const { serveMcp } = await import("../mcp/serve-mcp.ts");
  return serveMcp(c);
});
