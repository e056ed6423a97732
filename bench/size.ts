// Measures the bytes of the bundle, and the time from the start of memX to its first response.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { startMemx } from "./contestants/memx.ts";
import { median } from "./statistics.ts";

export type Size = {
  readonly bundleBytes: number;
  readonly bundleGzipBytes: number;
  readonly startMs: number;
};

export async function measureSize({ starts }: { starts: number }): Promise<Size> {
  // Only the modules in workerd.capnp, because dist/ may contain old files. Concatenated, as wrangler counts them.
  const modules = readFileSync("config/workerd.capnp", "utf8").matchAll(/embed "\.\.\/(dist\/[^"]+)"/g);
  const bundle = Buffer.concat(Array.from(modules, ([, file = ""]) => readFileSync(file)));
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
    startMs: median(times),
  };
}
