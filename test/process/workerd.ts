// The bundle that a deploy would upload, on workerd itself: memX as it runs in production, without wrangler's proxies.

import type { ChildProcess } from "node:child_process";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { freePort } from "../free-port.ts";
import { dataFolder, startProcess } from "./dev-server.ts";

export type Workerd = {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
  /** What it has printed, the Worker's own log among it. */
  readonly output: () => string;
};

const require = createRequire(import.meta.url);
let bundle: string | undefined;
let disks = 0;

afterAll(() => {
  if (bundle) rmSync(bundle, { recursive: true });
  bundle = undefined;
});

/** Made once for a test file, in a folder that goes with it. */
function bundleFolder(): string {
  if (bundle) return bundle;
  bundle = mkdtempSync(join(tmpdir(), "memx-bundle-"));
  const wrangler = join(require.resolve("wrangler/package.json"), "../bin/wrangler.js");
  execFileSync(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", bundle], {
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
  });
  return bundle;
}

/** A folder for the storage of a `startWorkerd`, gone after the test. */
export function newDisk(): string {
  const disk = join(dataFolder(), `disk-${++disks}`);
  mkdirSync(disk);
  return disk;
}

/** Resolves when it answers. `bindings` are its settings as text; it ends after the test. */
export async function startWorkerd({
  bindings = {},
  disk = newDisk(),
}: {
  bindings?: Readonly<Record<string, string>>;
  disk?: string;
} = {}): Promise<Workerd> {
  const folder = bundleFolder();
  const port = await freePort();
  const texts = Object.entries({ MEMX_ENV: "development", ...bindings });
  const scripts = readdirSync(folder).filter((file) => file.endsWith(".lua"));
  const config = `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [
        (name = "main", worker = (
          modules = [
            (name = "index.js", esModule = embed "index.js"),
            ${scripts.map((file) => `(name = "${file}", text = embed "${file}"),`).join("\n")}
          ],
          compatibilityDate = "2026-11-01",
          compatibilityFlags = ["nodejs_als"],
          bindings = [
            ${texts.map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)}),`).join("\n")}
            (name = "CHANNEL", durableObjectNamespace = "Channel"),
            (name = "EMBEDDED_STORE", durableObjectNamespace = "EmbeddedStore"),
          ],
          durableObjectNamespaces = [
            (className = "Channel", uniqueKey = "channel", enableSql = true),
            (className = "EmbeddedStore", uniqueKey = "store", enableSql = true),
          ],
          durableObjectStorage = (localDisk = "disk"),
        )),
        (name = "disk", disk = (path = "${disk}", writable = true)),
        # Unless told so, workerd reaches no address of this machine.
        (name = "internet", network = (allow = ["public", "private", "local"])),
      ],
      sockets = [(name = "http", address = "127.0.0.1:${port}", service = "main")],
    );`;
  // Beside the bundle, because that is where "embed" looks.
  const configFile = join(folder, `${port}.capnp`);
  writeFileSync(configFile, config);
  const child = startProcess(require.resolve("workerd/bin/workerd"), ["serve", configFile]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const url = `http://127.0.0.1:${port}`;
  // A path that asks no store.
  const answers = () =>
    fetch(`${url}/openapi.json`)
      .then(({ ok }) => ok || output)
      .catch(() => output);
  await expect.poll(answers, { timeout: 20_000, interval: 20 }).toBe(true);
  return { url, port, process: child, output: () => output };
}
