// Builds dist/ and packs the SDK once, before the tests that serve and install them. Each build empties its folder first, so
// test files that run at the same time must not build.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { packSdk } from "../../../scripts/pack-sdk.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the SDK's tarball. */
    sdkTarball: string;
  }
}

export default function build({ provide }: TestProject): () => void {
  execFileSync(process.execPath, ["scripts/build.ts"]);
  const folder = mkdtempSync(join(tmpdir(), "memx-sdk-"));
  provide("sdkTarball", packSdk(folder));
  return () => rmSync(folder, { recursive: true });
}
