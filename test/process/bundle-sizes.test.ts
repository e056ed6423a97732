// How large the built files are that a Worker reads at its start, and that a browser loads.

import { globSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

const compressed = (path: string) => gzipSync(readFileSync(path), { level: 9 }).length;
const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

it("has a Worker of at most 210 KiB, of which 140 KiB are read at the start", () => {
  const sizes = ["dist/index.js", "dist/mcp-sdk.mjs"].map(compressed);
  expect(sizes[0]).toBeLessThan(140 * 1024);
  expect(sum(sizes)).toBeLessThan(210 * 1024);
});

it("has a dashboard of at most 45 kB of JavaScript and 8 kB of style", () => {
  const size = (extension: string) => sum(globSync(`dashboard/dist/dashboard/*.${extension}`).map(compressed));
  expect(size("js")).toBeGreaterThan(10_000);
  expect(size("js")).toBeLessThanOrEqual(45_000);
  expect(size("css")).toBeLessThanOrEqual(8_000);
});
