// The front door: a browser gets the dashboard, everything else says what this is as JSON. Needs no API key.

import { Hono } from "hono";
import { accepts } from "hono/accepts";
import { version } from "../../package.json";
import type { AppEnv } from "../app-env.ts";
import { PUBLIC_CACHE } from "../response/headers.ts";
import { dashboardPage } from "./dashboard.ts";

export const home = new Hono<AppEnv>();

home.get("/", async (c) => {
  const type = accepts(c, {
    header: "Accept",
    supports: ["application/json", "text/html"],
    default: "application/json",
  });
  if (type === "text/html") {
    const page = await dashboardPage(c);
    page.headers.append("vary", "accept");
    return page;
  }
  c.header("cache-control", PUBLIC_CACHE);
  c.header("vary", "accept");
  return c.json({ name: "memX", version, docs: "/docs", openapi: "/openapi.json", health: "/health" });
});
