// The SDK as users get it: packed, and installed into an empty project.

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";

export type InstalledSdk = {
  readonly project: string;
  readonly tarball: string;
  /** The folder of the package in the project. */
  readonly folder: string;
  readonly remove: () => void;
};

export function installSdk(): InstalledSdk {
  const project = mkdtempSync(join(tmpdir(), "memx-sdk-"));
  const tarball = inject("sdkTarball");
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--offline", tarball], { cwd: project });
  const folder = join(project, "node_modules/memx-sdk");
  return { project, tarball, folder, remove: () => rmSync(project, { recursive: true }) };
}

export type Node = { readonly name: string; readonly path: string; readonly flags: readonly string[] };

/**
 * The Node that runs the tests, with its WebSocket and without, as Node 20 and 21 are; and the other versions on the path
 * that the package supports.
 */
export function nodes(): Node[] {
  const own = { name: `Node ${process.version}`, path: process.execPath, flags: [] };
  const found = new Map([[process.version, own]]);
  for (const path of execFileSync("which", ["-a", "node"], { encoding: "utf8" }).trim().split("\n")) {
    const version = execFileSync(path, ["--version"], { encoding: "utf8" }).trim();
    if (Number.parseInt(version.slice(1), 10) < 20 || found.has(version)) continue;
    found.set(version, { name: `Node ${version}`, path, flags: [] });
  }
  return [...found.values(), { ...own, name: `${own.name} without WebSocket`, flags: ["--no-experimental-websocket"] }];
}

export type Result = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end. */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env, input }: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string | Uint8Array } = {},
): Promise<Result> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { cwd, env, maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdin?.on("error", () => {
      // It has ended without reading.
    });
    child.stdin?.end(input);
  });
}
