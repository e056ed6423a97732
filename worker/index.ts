// What Cloudflare runs: the app, and the Durable Object classes that wrangler.toml names.

export { Channel } from "../durable-objects/channel.ts";
export { EmbeddedStore } from "../durable-objects/embedded-store.ts";
export { app as default } from "./app.ts";
