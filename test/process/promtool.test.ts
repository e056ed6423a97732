// GET /metrics as Prometheus's own tool reads it. In a long run, because only that installs Prometheus.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { expect, it, onTestFinished } from "vitest";
import { startSelfHosted } from "./support/self-hosted.ts";

const TOKEN = "token-of-the-metrics";
/** The first subscriber is on a relay. */
const RELAYS = { REGION: "enam", RELAY_KEEP: "0" };

it("passes promtool's check", { tags: ["long"] }, async () => {
  const memx = await startSelfHosted("embedded", {
    MEMX_ACL: '{"local_dev_key":["*"]}',
    METRICS_TOKEN: TOKEN,
    ...RELAYS,
  });
  onTestFinished(() => memx.close());
  await memx.call("/set", { body: '{"key":"a","value":1}' });
  const socket = new WebSocket(`${memx.url.replace("http", "ws")}/subscribe/a`, {
    headers: { "x-api-key": "local_dev_key" },
  } as never);
  onTestFinished(() => socket.close());
  const event = once(socket, "message");
  await once(socket, "open");
  await memx.call("/set", { body: '{"key":"a","value":2}' });
  await event;
  const response = await fetch(`${memx.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const input = await response.text();
  expect(input).toContain('memx_requests_total{route="/set",status="200"} 2');
  expect(input).toContain('memx_relay_forwards_total{outcome="arrived"} 1');
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
});
