// What Cloudflare runs: the app, the scheduled sweep, and the Durable Object classes that wrangler.toml names. Outside Cloudflare
// also what takes the news of other processes.

import { hearNews } from "../memory/channels/hear-news.ts";
import { openStore } from "../memory/store/open-store.ts";
import { app } from "./app.ts";
import { hotCall } from "./hot-calls.ts";
import { metricsResponse } from "./routes/metrics.ts";

export { Channel } from "../durable-objects/channel/channel.ts";
export { EmbeddedStore } from "../durable-objects/embedded-store/embedded-store.ts";

/** The scheduled sweep for runtimes without cron, which call this instead. Unlike `fetch` below, it is not reachable from outside. */
export const sweep = {
  async fetch(_, env) {
    await openStore(env).expire();
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Env>;

/** Takes what the bridge of this process hears of other processes on the same Redis. Not reachable from outside, either. */
export const news = {
  async fetch(request, env, ctx) {
    ctx.waitUntil(hearNews(env, await request.json()));
    return new Response(null, { status: 202 });
  },
} satisfies ExportedHandler<Env>;

/** What this process has counted, for METRICS_PORT. Not reachable from outside. */
export const metrics = {
  fetch(request, env) {
    if (!env.METRICS_PORT) return new Response(null, { status: 404 });
    return metricsResponse(env, request.headers.get("accept"));
  },
} satisfies ExportedHandler<Env>;

export default {
  fetch: (request, env, ctx) => hotCall(request, env, ctx) ?? app.fetch(request, env, ctx),
  scheduled: (_, env) => openStore(env).expire(),
} satisfies ExportedHandler<Env>;
