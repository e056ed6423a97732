// Packs what `npm run build` has built and selfhost/ as the npm package `memx-server`: workerd's configuration finds the
// bundle in it where it finds it here. As a program (`npm run server`), writes the tarball into dist/.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** What of `package.json` and `package-lock.json` the server needs at run time. The rest is in the bundle. */
const DEPENDENCIES = ["redis", "workerd"];

const FILES = ["config/workerd.capnp", "dashboard/dist", "LICENSE"];

/** Returns the path of the tarball, in `folder`. */
export function packServer(folder: string): string {
  const source = mkdtempSync(join(tmpdir(), "memx-server-"));
  try {
    writeFileSync(join(source, "package.json"), JSON.stringify(manifest(), null, 2));
    for (const file of FILES) cpSync(join(root, file), join(source, file), { recursive: true });
    cpSync(join(root, "selfhost/README.md"), join(source, "README.md"));
    for (const file of modules()) cpSync(join(root, file), join(source, file));
    const packages = DEPENDENCIES.map((name) => `--external:${name}`);
    const target = ["--bundle", "--splitting", "--platform=node", "--format=esm", "--target=node22.13"];
    const out = `--outdir=${join(source, "selfhost")}`;
    execFileSync(
      join(root, "node_modules/.bin/esbuild"),
      ["selfhost/memx-server.ts", ...target, ...packages, out, "--log-level=warning"],
      { cwd: root },
    );
    mkdirSync(folder, { recursive: true });
    const args = ["pack", "--silent", "--pack-destination", folder];
    return join(folder, execFileSync("npm", args, { cwd: source, encoding: "utf8" }).trim());
  } finally {
    rmSync(source, { recursive: true });
  }
}

/** The modules of the Worker's bundle. */
function modules(): string[] {
  const config = readFileSync(join(root, "config/workerd.capnp"), "utf8");
  return Array.from(config.matchAll(/embed "\.\.\/([^"]+)"/g), ([, file]) => file as string);
}

function manifest(): object {
  const { version, license, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return {
    name: "memx-server",
    version,
    description: "memX on your own machine: real-time shared memory for teams of AI agents",
    license,
    type: "module",
    engines: { node: ">=22.13" },
    bin: { "memx-server": "selfhost/memx-server.js" },
    files: ["config", "dashboard", "dist", "selfhost"],
    dependencies: Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencies[name]])),
    keywords: ["agents", "memory", "real-time", "shared-state", "workerd"],
  };
}

if (import.meta.main) console.log(packServer(join(root, "dist")));
