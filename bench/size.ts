// What memX is before it does anything: bytes of its bundle, and the time from starting it to its first answer.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { startMemx } from "./contestants/memx.ts";
import { median } from "./statistics.ts";

export type Size = {
  readonly bundleBytes: number;
  readonly bundleGzipBytes: number;
  readonly startMs: number;
};

export async function measureSize({ starts }: { starts: number }): Promise<Size> {
  const files = readdirSync("dist")
    .filter((file) => file.endsWith(".js") || file.endsWith(".lua"))
    .map((file) => readFileSync(join("dist", file)));
  const times: number[] = [];
  for (let n = 0; n < starts; n++) {
    const start = performance.now();
    const memx = await startMemx();
    times.push(performance.now() - start);
    await memx.stop();
  }
  return {
    bundleBytes: files.reduce((sum, { length }) => sum + length, 0),
    bundleGzipBytes: files.reduce((sum, bytes) => sum + gzipSync(bytes).length, 0),
    startMs: median(times),
  };
}
