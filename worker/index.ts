// What Cloudflare runs: the app, what the clock starts, and the Durable Object classes that wrangler.toml names.

import { app } from "./app.ts";
import { openStore } from "./store/open-store.ts";

export { Channel } from "../durable-objects/channel.ts";
export { EmbeddedStore } from "../durable-objects/embedded-store.ts";

export default {
  fetch: app.fetch,
  scheduled: (_, env) => openStore(env).expire(),
} satisfies ExportedHandler<Env>;
