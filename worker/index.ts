// What Cloudflare runs: the app, what the clock starts, and the Durable Object classes that wrangler.toml names.

import { openStore } from "../memory/store/open-store.ts";
import { app } from "./app.ts";

export { Channel } from "../durable-objects/channel/channel.ts";
export { EmbeddedStore } from "../durable-objects/embedded-store/embedded-store.ts";

/** The same, for who has no clock but can call this. Nobody reaches it from outside, unlike `fetch` below. */
export const sweep = {
  async fetch(_, env) {
    await openStore(env).expire();
    return new Response(null, { status: 204 });
  },
} satisfies ExportedHandler<Env>;

export default {
  fetch: app.fetch,
  scheduled: (_, env) => openStore(env).expire(),
} satisfies ExportedHandler<Env>;
