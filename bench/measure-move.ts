// Measures an export and an import of many keys: time, peak memory of the command line, and whether a second export is equal.
// Run it by hand against two memX for tests only, because it writes the keys, both with RATE_LIMIT=0:
//
//   node bench/measure-move.ts http://127.0.0.1:8000 http://127.0.0.1:8001 local_dev_key 1000000

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [from = "", to = "", apiKey = "local_dev_key", count = "1000000"] = process.argv.slice(2);
const KEYS = Number(count);
const folder = mkdtempSync(join(tmpdir(), "memx-move-"));

/** Fields that a move does not keep. */
const OWN = /,"(created|revision|previous)":[\d.]+/g;

async function fill(): Promise<void> {
  const headers = { "x-api-key": apiKey, "content-type": "application/json" };
  for (let start = 0; start < KEYS; start += 100) {
    const operations = Array.from({ length: Math.min(100, KEYS - start) }, (_, index) => ({
      op: "set",
      key: `moved:${String(start + index).padStart(9, "0")}`,
      value: { n: start + index, text: "a value of an agent" },
    }));
    const response = await fetch(`${from}/batch`, { method: "POST", headers, body: JSON.stringify({ operations }) });
    if (!response.ok) throw new Error(await response.text());
  }
}

/** Runs the command line to its end, and prints what it took. */
function measure(name: string, url: string, args: string[], files: { in?: string; out?: string }): void {
  const stdin = files.in ? openSync(files.in, "r") : "ignore";
  const stdout = files.out ? openSync(files.out, "w") : "ignore";
  // Prints the peak of the process as its last act.
  const peak = `process.on("exit",()=>process.stderr.write("\\npeak "+process.resourceUsage().maxRSS))`;
  const node = ["--import", `data:text/javascript,${encodeURIComponent(peak)}`, "sdk/typescript/cli.ts", ...args];
  const errors = join(folder, "errors");
  const stderr = openSync(errors, "w");
  const startMs = performance.now();
  execFileSync(process.execPath, node, {
    stdio: [stdin, stdout, stderr],
    env: { ...process.env, MEMX_BASE_URL: url, MEMX_API_KEY: apiKey },
  });
  const seconds = (performance.now() - startMs) / 1_000;
  for (const file of [stdin, stdout, stderr]) if (typeof file === "number") closeSync(file);
  const kib = Number(execFileSync("tail", ["-n", "1", errors], { encoding: "utf8" }).replace("peak ", ""));
  const rate = Math.round(KEYS / seconds);
  console.log(`${name}: ${seconds.toFixed(1)} s, ${rate} keys/s, ${(kib / 1024).toFixed(0)} MiB at most`);
}

/** Of all lines but the first, in their order by key, without the fields that a move does not keep. */
async function digest(file: string): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    if (!line.startsWith('{"event":"export"'))
      lines.push(createHash("sha256").update(line.replace(OWN, "")).digest("hex"));
  }
  if (lines.length !== KEYS + 1) throw new Error(`expected ${KEYS + 1} lines, got ${lines.length}`);
  return createHash("sha256").update(lines.sort().join()).digest("hex");
}

try {
  await fill();
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  measure("export", from, ["export"], { out: first });
  console.log(`the file: ${(statSync(first).size / 1024 / 1024).toFixed(0)} MiB`);
  measure("import", to, ["import"], { in: first });
  measure("export again", to, ["export"], { out: second });
  console.log((await digest(first)) === (await digest(second)) ? "equal" : "NOT equal");
} finally {
  rmSync(folder, { recursive: true });
}
