// `npm run dev` as developers run it: the process starts, is killed, and starts again.

import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { killGroup, start, startDev } from "./support/dev-server.ts";

async function call(url: string, init: RequestInit = {}): Promise<unknown> {
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  return (await fetch(url, { ...init, headers })).json();
}

it("prints the address and the API key, and no warnings", async () => {
  const { url, output } = await startDev();
  expect(output()).toContain(`memX is ready on ${url}   API key: local_dev_key`);
  expect(output()).not.toMatch(/warn|deprecat|update available|telemetry/i);
});

it("keeps a write that it acknowledged right before it was killed", async () => {
  const first = await startDev();
  let written: unknown;
  for (let n = 1; n <= 20; n++) {
    written = await call(`${first.url}/set`, { method: "POST", body: JSON.stringify({ key: "n", value: n }) });
  }
  killGroup(first.process.pid);
  const second = await startDev();
  expect(await call(`${second.url}/get?key=n`)).toMatchObject({
    value: 20,
    revision: (written as { revision: number }).revision,
  });
});

it("exits when its parent process is killed", async () => {
  // A shell that stays between this test and the server, as make does.
  const { process: shell, url } = await start("sh", ["-c", `"$0" "$@"; exit 0`, process.execPath, "scripts/dev.ts"]);
  shell.kill("SIGKILL");
  const responds = () =>
    fetch(`${url}/health`).then(
      () => true,
      () => false,
    );
  await expect.poll(responds, { interval: 200 }).toBe(false);
});

it("says what to do if another server uses its port, and does not claim to be ready", async () => {
  const { url } = await startDev();
  const second = spawnSync(process.execPath, ["scripts/dev.ts", "--port", new URL(url).port], { encoding: "utf8" });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain("choose another port");
  expect(second.stdout).not.toContain("ready");
});
