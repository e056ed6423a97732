// Measures the bytes of the bundle, and the time from the start of memX to its first response.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { startMemx } from "./contestants/memx.ts";
import { median } from "./statistics.ts";

export type Size = {
  /** What a Worker reads at its start: all modules except the one of MCP. */
  readonly bundleBytes: number;
  readonly bundleGzipBytes: number;
  /** The module of MCP, which the first request to `/mcp` loads. */
  readonly mcpBytes: number;
  readonly mcpGzipBytes: number;
  readonly startMs: number;
};

const MCP = "dist/mcp-sdk.mjs";

export async function measureSize({ starts }: { starts: number }): Promise<Size> {
  // Only the modules in workerd.capnp, because dist/ may contain old files. Concatenated, as wrangler counts them.
  const embedded = readFileSync("config/workerd.capnp", "utf8").matchAll(/embed "\.\.\/(dist\/[^"]+)"/g);
  const modules = Array.from(embedded, ([, file = ""]) => file);
  const bundle = Buffer.concat(modules.filter((file) => file !== MCP).map((file) => readFileSync(file)));
  const mcp = readFileSync(MCP);
  const times: number[] = [];
  for (let n = 0; n < starts; n++) {
    const start = performance.now();
    const memx = await startMemx();
    times.push(performance.now() - start);
    await memx.stop();
  }
  return {
    bundleBytes: bundle.length,
    bundleGzipBytes: gzipSync(bundle).length,
    mcpBytes: mcp.length,
    mcpGzipBytes: gzipSync(mcp).length,
    startMs: median(times),
  };
}
