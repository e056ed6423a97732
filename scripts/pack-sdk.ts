// Packs `sdk/typescript/` as npm publishes it; the package's `prepack` script builds it. As a program (`npm run sdk`), also
// checks the tarball with publint and "are the types wrong", and prints its size.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { installFrameworks } from "./frameworks.ts";

const root = join(import.meta.dirname, "..");
const source = join(root, "sdk/typescript");

/** Returns the path of the tarball, in `folder`. */
export function packSdk(folder: string): string {
  // The adapters are built against them.
  installFrameworks();
  mkdirSync(folder, { recursive: true });
  const args = ["pack", "--silent", "--pack-destination", folder];
  return join(folder, execFileSync("npm", args, { cwd: source, encoding: "utf8" }).trim());
}

/** Bytes of the client as a page loads it: bundled, minified and compressed. */
export function gzipSize(): number {
  const entry = join(source, "dist/typescript/index.js");
  return gzipSync(run("esbuild", entry, "--bundle", "--minify", "--format=esm")).length;
}

/**
 * Returns what publint and attw print.
 * @throws with the same text if one of them finds a fault
 */
export function lintPackage(tarball: string): string {
  const publint = run("publint", "run", tarball, "--strict");
  // The package is ESM only; Node 20.19 and later can still `require` it.
  return `${publint}${run("attw", tarball, "--profile", "esm-only", "--no-emoji", "--no-color")}`;
}

function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(join(root, "node_modules/.bin", command), args, { cwd: root, encoding: "utf8" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} failed:\n${stdout}${stderr}`);
  }
}

if (import.meta.main) {
  const tarball = packSdk(join(root, "dist"));
  console.log(lintPackage(tarball));
  console.log(`${tarball}\nthe client: ${(gzipSize() / 1024).toFixed(1)} KB, bundled, minified and gzipped`);
}
