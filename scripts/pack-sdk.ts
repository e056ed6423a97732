// Builds `sdk/typescript/` and packs it as npm would publish it. On its own (`npm run sdk`) it also prints how large that is, and what
// publint and "are the types wrong" think of it.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const root = join(import.meta.dirname, "..");

/** The path of the tarball, in `folder`. */
export function packSdk(folder: string): string {
  rmSync(join(root, "sdk/typescript/dist"), { recursive: true, force: true });
  run("tsc", "-p", "sdk/typescript/tsconfig.build.json");
  mkdirSync(folder, { recursive: true });
  const args = ["pack", "--silent", "--pack-destination", folder];
  return join(folder, execFileSync("npm", args, { cwd: join(root, "sdk/typescript"), encoding: "utf8" }).trim());
}

/** Bytes of the client as a page would load it: bundled, minified and compressed. */
export function gzipSize(): number {
  return gzipSync(run("esbuild", "sdk/typescript/dist/typescript/index.js", "--bundle", "--minify", "--format=esm"))
    .length;
}

/** What they print. Throws, with it, where one of them finds fault. */
export function lintPackage(tarball: string): string {
  const publint = run("publint", "run", tarball, "--strict");
  // Only ESM is published; Node 20.19 and later can require it all the same.
  return `${publint}${run("attw", tarball, "--profile", "esm-only", "--no-emoji", "--no-color")}`;
}

function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(join(root, "node_modules/.bin", command), args, { cwd: root, encoding: "utf8" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} found fault:\n${stdout}${stderr}`);
  }
}

if (import.meta.main) {
  const tarball = packSdk(join(root, "dist"));
  console.log(lintPackage(tarball));
  console.log(`${tarball}\nthe client: ${(gzipSize() / 1024).toFixed(1)} KB, bundled, minified and gzipped`);
}
