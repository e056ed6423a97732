// Who else can read the data folder of `npm start`: no other user, also if an earlier memX or the operator left it open.

import { execFileSync } from "node:child_process";
import { chmodSync, globSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { dataFolder, killGroup, startProcess } from "./support/dev-server.ts";
import { startWorkerd } from "./support/workerd.ts";

/** As from an ordinary shell, whatever the umask of this process is. */
const WITH_USUAL_UMASK: [string, ...string[]] = ["sh", "-c", 'umask 022; exec "$0" "$@"'];
const ACCESS = JSON.stringify({ "a-key": ["*"] });

/** Runs `npm start`, writes a value, ends it, and returns what it printed without the line that it is ready. */
async function use(folder: string): Promise<string> {
  const port = String(await freePort());
  const env = { PATH: process.env.PATH, MEMX_ACL: ACCESS, MEMX_PORT: port, MEMX_DATA_DIR: folder };
  const [command, ...args] = WITH_USUAL_UMASK;
  const child = startProcess(command, [...args, process.execPath, resolve("selfhost/start.ts")], env, dataFolder());
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  await expect.poll(() => output, { timeout: LONG_PATIENCE_MS }).toContain("memX is ready on ");
  await write(`http://127.0.0.1:${port}`);
  killGroup(child.pid);
  return output.replace(/^memX is ready on .*\n/m, "");
}

async function write(url: string): Promise<void> {
  const headers = { "x-api-key": "a-key", "content-type": "application/json" };
  const body = '{"key":"a","value":1}';
  expect((await fetch(`${url}/set`, { method: "POST", headers, body })).status).toBe(200);
}

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

/** What is open to other users: each path with its mode. */
function openPaths(folder: string): string[] {
  const isOpen = (path: string) => (statSync(join(folder, path)).mode & 0o077) !== 0;
  return globSync("**", { cwd: folder }).filter(isOpen).sort();
}

it("creates a folder that only its owner can read, and only such files in it", async () => {
  const folder = join(dataFolder(), "new");
  expect(await use(folder)).toBe("");
  expect(globSync("store/**/*.sqlite", { cwd: folder })).not.toEqual([]);
  expect(openPaths(folder)).toEqual([]);
});

it("closes the folder of an earlier memX with all its files, and says so once", async () => {
  const folder = join(dataFolder(), "old");
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  const earlier = await startWorkerd({ disk: folder, run: WITH_USUAL_UMASK, bindings: { MEMX_ACL: ACCESS } });
  await write(earlier.url);
  killGroup(earlier.process.pid);
  expect(openPaths(folder)).toEqual(expect.arrayContaining([".", "store"]));
  expect(openPaths(folder).some((path) => path.endsWith(".sqlite"))).toBe(true);
  expect(await use(folder)).toBe(
    `Other users could read the data folder ${folder} (mode 755). memX has closed it to them (mode 700).\n`,
  );
  expect(openPaths(folder)).toEqual([]);
  expect(await use(folder)).toBe("");
});

it("leaves a folder alone that contains other files, closes its own in it, and warns", async () => {
  const folder = join(dataFolder(), "shared");
  const elsewhere = join(dataFolder(), "elsewhere");
  for (const path of [folder, elsewhere]) mkdirSync(path, { mode: 0o755 });
  for (const path of [folder, elsewhere]) chmodSync(path, 0o755);
  writeFileSync(join(folder, "notes.txt"), "", { mode: 0o644 });
  mkdirSync(join(folder, "store"), { mode: 0o755 });
  symlinkSync(elsewhere, join(folder, "store", "link"));
  expect(await use(folder)).toMatch(
    /^Other users can read the data folder .*\/shared \(mode 755\)\. .*other files.*\n$/,
  );
  expect(openPaths(folder).filter((path) => !path.startsWith("store/link"))).toEqual([".", "notes.txt"]);
  expect(modeOf(elsewhere)).toBe("755");
});

// Only the superuser can make a folder that this process may use and not change.
it.runIf(process.getuid?.() === 0)("warns if it must not change the folder", () => {
  const folder = join(dataFolder(), "of-root");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  chmodSync(dataFolder(), 0o755);
  const script = `const { openDataFolder } = await import(process.argv[1]);
    process.seteuid(65534);
    openDataFolder(process.argv[2]);`;
  const args = ["--input-type=module", "-e", script, resolve("selfhost/data-folder.ts"), folder];
  const printed = execFileSync("sh", ["-c", '"$0" "$@" 2>&1', process.execPath, ...args], { encoding: "utf8" });
  expect(printed).toBe(
    `Other users can read the data folder ${folder} (mode 777), and memX cannot change that (EPERM). Run: chmod 700 ${folder}\n`,
  );
});
