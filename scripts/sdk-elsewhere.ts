// `npm run sdk:elsewhere` runs the packed SDK in Deno and Bun against the memX at MEMX_BASE_URL. It is not a test, because
// the two runtimes have 190 MB and nothing else needs them.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { runScenario, SCENARIO_LOG } from "../test/process/support/sdk-scenario.ts";
import { packSdk } from "./pack-sdk.ts";

const RUNTIMES = [
  { package: "deno@2.9.6", command: ["deno", "run", "--allow-net", "--allow-env"] },
  { package: "bun@1.4.5", command: ["bun", "run"] },
];
const baseUrl = process.env.MEMX_BASE_URL ?? "http://127.0.0.1:8000";

const folder = mkdtempSync(join(tmpdir(), "memx-elsewhere-"));
try {
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const packages = [packSdk(folder), ...RUNTIMES.map((runtime) => runtime.package)];
  const env = { ...process.env, npm_config_loglevel: "error" };
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...packages], { cwd: folder, env, stdio: "inherit" });
  for (const { package: name, command } of RUNTIMES) {
    const script = `import { MemX } from "memx-sdk";
      console.log(JSON.stringify(await (${runScenario})(MemX, ${JSON.stringify(baseUrl)}, "${name}:${Date.now()}")));`;
    writeFileSync(join(folder, "scenario.js"), script);
    const [program = "", ...args] = command;
    const output = execFileSync(join(folder, "node_modules/.bin", program), [...args, "scenario.js"], { cwd: folder });
    if (!isDeepStrictEqual(JSON.parse(String(output)), SCENARIO_LOG)) throw new Error(`${name}: ${output}`);
    console.log(`${name}: the same result as in Node`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
