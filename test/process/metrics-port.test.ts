// METRICS_PORT: the metrics of all processes of `npm start`, for this machine alone.

import { request } from "node:http";
import { expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { type Engine, type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";
import { workerdsOf } from "./support/usage.ts";

async function start(engine: Engine, settings: Readonly<Record<string, string>> = {}) {
  const port = await freePort();
  const env = { MEMX_ACL: '{"local_dev_key":["*"]}', METRICS_PORT: String(port), ...settings };
  const memx = await startSelfHosted(engine, env);
  onTestFinished(() => memx.close());
  return { memx, port };
}

type Answer = { readonly status: number; readonly type: string; readonly text: string };

/** Unlike `fetch`, sends any `Host`. */
function call(port: number, { path = "/metrics", method = "GET", headers = {} } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, method, headers }, async (response) => {
      const text = (await response.toArray()).join("");
      resolve({ status: response.statusCode ?? 0, type: response.headers["content-type"] ?? "", text });
    })
      .on("error", reject)
      .end();
  });
}

const set = (memx: SelfHosted) => memx.call("/set", { body: '{"key":"a","value":1}' });

const sum = (text: string, series: RegExp) =>
  [...text.matchAll(series)].reduce((total, [, value]) => total + Number(value), 0);

it("shows what one process has counted as GET /metrics does", async () => {
  const { memx, port } = await start("embedded");
  expect(memx.output()).toContain(`metrics: http://127.0.0.1:${port}/metrics`);
  await set(memx);
  const { status, type, text } = await call(port);
  expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  expect(text).toContain('\nmemx_requests_total{route="/set",status="200"} 1\n');
  expect(text).toContain('\nmemx_store_duration_seconds_count{operation="write",outcome="done"} 1\n');
  const openMetrics = await call(port, { headers: { accept: "application/openmetrics-text" } });
  expect(openMetrics.type).toContain("application/openmetrics-text");
  expect(openMetrics.text).toMatch(/\n# EOF\n$/);
  // The public port still has none.
  expect((await fetch(`${memx.url}/metrics`)).status).toBe(404);
});

it("shows what all processes have counted, each number once with its process", async () => {
  const { memx, port } = await start("redis", { PROCESSES: "2" });
  for (let index = 0; index < 20; index++) await set(memx);
  const { text } = await call(port, { headers: { accept: "application/openmetrics-text" } });
  expect(sum(text, /^memx_requests_total\{process="[12]",route="\/set",status="200"\} (\d+)$/gm)).toBe(20);
  expect(text).toContain('\nmemx_process_up{process="1"} 1\nmemx_process_up{process="2"} 1\n');
  expect(text).toMatch(/\nmemx_events_sent_total\{process="1"\} 0\nmemx_events_sent_total\{process="2"\} 0\n/);
  const lines = text.trimEnd().split("\n");
  expect(lines.filter((line) => line === "# EOF")).toHaveLength(1);
  expect(lines.at(-1)).toBe("# EOF");
  expect(new Set(lines).size).toBe(lines.length);

  const [first = 0] = workerdsOf(memx.pid());
  process.kill(first, "SIGSTOP");
  onTestFinished(() => {
    if (workerdsOf(memx.pid()).includes(first)) process.kill(first, "SIGCONT");
  });
  const halved = (await call(port)).text;
  process.kill(first, "SIGCONT");
  expect([...halved.matchAll(/^memx_process_up\{process="[12]"\} ([01])$/gm)].map(([, up]) => up).sort()).toEqual([
    "0",
    "1",
  ]);
  expect(new Set(halved.match(/process="\d"/g)).size).toBe(2);
});

it("shows nothing to a web page, and has nothing else", async () => {
  const { port } = await start("embedded");
  const statusOf = async (options: Parameters<typeof call>[1]) => (await call(port, options)).status;
  for (const host of [`127.0.0.1:${port}`, "localhost", `LOCALHOST:${port}`, "[::1]:9"])
    expect(await statusOf({ headers: { host } }), host).toBe(200);
  for (const host of ["memx.example", `rebound.example:${port}`, "127.0.0.1.example", "localhost.example", "10.0.0.1"])
    expect(await statusOf({ headers: { host } }), host).toBe(403);
  expect(await statusOf({ headers: { origin: "http://127.0.0.1:8000" } })).toBe(403);
  expect(await statusOf({ path: "/set" })).toBe(404);
  expect(await statusOf({ path: "//" })).toBe(404);
  expect(await statusOf({ method: "POST" })).toBe(405);
  expect(await call(port, { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
  expect(await statusOf({ path: "/metrics?x=1" })).toBe(200);
});

it.each(["x", "65536", "-1", "80 81"])("refuses METRICS_PORT=%s", async (METRICS_PORT) => {
  const started = startSelfHosted("embedded", { MEMX_ACL: '{"a":["*"]}', METRICS_PORT });
  await expect(started).rejects.toThrow("METRICS_PORT must be a number from 0 to 65535.");
});

it("says so if the port is in use", async () => {
  const { port } = await start("embedded");
  const started = startSelfHosted("embedded", { MEMX_ACL: '{"a":["*"]}', METRICS_PORT: String(port) });
  await expect(started).rejects.toThrow(`METRICS_PORT: memX cannot listen on port ${port} of 127.0.0.1 (EADDRINUSE).`);
});
