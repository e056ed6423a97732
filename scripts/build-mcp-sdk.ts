// Bundles the official MCP server, and what it needs, into a module of its own: worker/mcp/mcp-sdk.mjs. The runtime compiles
// a module when it is first imported, so that an isolate without MCP calls never reads it.

import { join } from "node:path";
import { build, type Rolldown } from "vite";
import { writeIfChanged } from "./write-if-changed.ts";

const root = join(import.meta.dirname, "..");
const stubs = join(root, "config/mcp-stubs.ts");

export async function buildMcpSdk(): Promise<void> {
  const built = (await build({
    configFile: false,
    root,
    logLevel: "warn",
    define: { "process.env.NODE_ENV": '"production"' },
    resolve: { conditions: ["workerd", "worker", "browser"], alias: { "@modelcontextprotocol/server/_shims": stubs } },
    build: {
      write: false,
      target: "es2024",
      minify: true,
      modulePreload: false,
      rolldownOptions: {
        input: join(root, "worker/mcp/mcp-sdk.ts"),
        preserveEntrySignatures: "strict",
        // They depend on how busy the machine is.
        checks: { bundlerTimings: false },
      },
    },
  })) as Rolldown.RolldownOutput;
  const chunk = built.output[0];
  writeIfChanged(join(root, "worker/mcp/mcp-sdk.mjs"), chunk.code);
}

if (import.meta.main) await buildMcpSdk();
