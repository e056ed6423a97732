// Builds the dashboard for scripts/build-assets.ts, which writes the files: no inline script or style, no preload helper, and
// a hash in every name except the page's.

import { join } from "node:path";
import { defineConfig } from "vite";

/** Parts of the client that the page does not use. Without them it is a fifth smaller. */
const UNUSED =
  /^\.\/(?:access-check|base-url|calls-option|check-json|choose-transport|event-stream|lease|lease-transport|merge-patterns|mirror|option-checks|read-environment|reads|refuse-unknown|signals|subscribe-options|typed-key|update)\.ts$/;

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  logLevel: "warn",
  resolve: { alias: [{ find: UNUSED, replacement: join(import.meta.dirname, "unused-client.ts") }] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    write: false,
    target: "es2022",
    assetsDir: "dashboard",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // They depend on how busy the machine is.
      checks: { bundlerTimings: false },
      output: {
        entryFileNames: "dashboard/app-[hash].js",
        chunkFileNames: "dashboard/[name]-[hash].js",
        assetFileNames: "dashboard/[name]-[hash][extname]",
      },
    },
  },
});
