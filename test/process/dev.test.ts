// `npm run dev` as people run it: a process that listens, is killed, and is started again.

import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { killGroup, start, startDev } from "./support/dev-server.ts";

async function call(url: string, init: RequestInit = {}): Promise<unknown> {
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  return (await fetch(url, { ...init, headers })).json();
}

it("prints the address and the key to use, and warns about nothing", async () => {
  const { url, output } = await startDev();
  expect(output()).toContain(`memX is ready on ${url}   API key: local_dev_key`);
  expect(output()).not.toMatch(/warn|deprecat|update available|telemetry/i);
});

it("has a write that was answered right before it was killed", async () => {
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

it("ends when the process that started it was killed", async () => {
  // A shell that stays, as make does, between this test and the server.
  const { process: shell, url } = await start("sh", ["-c", `"$0" "$@"; exit 0`, process.execPath, "scripts/dev.ts"]);
  shell.kill("SIGKILL");
  const answers = () =>
    fetch(`${url}/health`).then(
      () => true,
      () => false,
    );
  await expect.poll(answers, { timeout: 20_000, interval: 200 }).toBe(false);
});

it("does not say it is ready on a port where something else answers, but says what to do", async () => {
  const { url } = await startDev();
  const second = spawnSync(process.execPath, ["scripts/dev.ts", "--port", new URL(url).port], { encoding: "utf8" });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain("choose another port");
  expect(second.stdout).not.toContain("ready");
});
