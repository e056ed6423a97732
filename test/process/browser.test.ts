// A page in a real browser: a WebSocket that cannot set headers, a stream of server-sent events by fetch, and the
// reference.

import { execFileSync } from "node:child_process";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startWorkerd } from "./support/workerd.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim(),
    // Chromium has no sandbox as root. The other switches keep it off the network.
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

afterAll(() => browser.close());

/** Runs in the browser: does what a page of another origin would do. */
async function subscribeInPage({ url, apiKey }: { url: string; apiKey: string }) {
  const encoded = btoa(apiKey).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const seen = { socket: [] as string[], stream: [] as string[], protocol: "" };
  (globalThis as { seen?: typeof seen }).seen = seen;

  const socket = new WebSocket(`${url.replace("http", "ws")}/watch?pattern=browser:*&since=0`, [
    "memx.v1",
    `memx.key.${encoded}`,
  ]);
  socket.addEventListener("message", ({ data }) => void seen.socket.push(data as string));
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)));
  });
  seen.protocol = socket.protocol ?? "";

  const headers = { "x-api-key": apiKey, accept: "text/event-stream" };
  const response = await fetch(`${url}/subscribe/browser:a?since=0`, { headers });
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  void (async () => {
    for (let text = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      seen.stream.push(...events.map((event) => event.replace(/^(id: .*\n)?data: /, "")));
    }
  })();
}

it("sends a page every change live, over a WebSocket with its API key in a subprotocol and over a stream", async () => {
  const { url } = await startWorkerd();
  // The origin of this page is not memX.
  const page = await browser.newPage();
  await page.evaluate(subscribeInPage, { url, apiKey: "local_dev_key" });
  const seen = () => page.evaluate(() => (globalThis as never as { seen: Record<string, string[] | string> }).seen);
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  const revisions: number[] = [];
  for (const value of [1, "two", { three: 3 }]) {
    const body = JSON.stringify({ key: "browser:a", value });
    const response = await fetch(`${url}/set`, { method: "POST", headers, body });
    revisions.push(((await response.json()) as { revision: number }).revision);
  }
  const changes = (texts: unknown) =>
    (texts as string[])
      .map((text) => JSON.parse(text) as { event: string; revision: number })
      .filter(({ event }) => event === "value")
      .map(({ revision }) => revision);
  await expect.poll(async () => changes((await seen()).socket)).toEqual(revisions);
  await expect.poll(async () => changes((await seen()).stream)).toEqual(revisions);
  expect((await seen()).protocol).toBe("memx.v1");
});

it("tells a page why memX refused its socket", async () => {
  const { url } = await startWorkerd();
  const page = await browser.newPage();
  const code = await page.evaluate(
    (address) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${address}/subscribe/a`, ["memx.v1", "memx.key.bm9ib2R5"]);
        socket.addEventListener("close", (event) => resolve(event.code));
      }),
    url.replace("http", "ws"),
  );
  expect(code).toBe(4403);
});

it("shows the reference at /docs without loading anything from elsewhere", async () => {
  const { url } = await startWorkerd();
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on("pageerror", ({ message }) => failures.push(message));
  page.on("console", (message) => message.type() === "error" && failures.push(message.text()));
  await page.goto(`${url}/docs`);
  await page.waitForSelector(".opblock-summary-path");
  expect(failures).toEqual([]);
});
