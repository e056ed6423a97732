// The dashboard in Debian's Chromium. Everything that the browser reports is collected: errors, refusals of the content
// security policy, and requests to other hosts.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { PATIENCE_MS } from "../../support/patience.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What Chromium says of a socket that the page closed before it was open, as it does if the user leaves at once. */
const LEFT_EARLY = /WebSocket is closed before the connection is established/;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim(),
    // Chromium has no sandbox as root. The other switches keep it off the network.
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--enable-precise-memory-info",
    ],
  });
}

export type DashboardPage = {
  readonly page: Page;
  /** What the browser has reported, and the test has not expected. */
  readonly faults: string[];
  /** URLs of all requests, with those of sockets. */
  readonly requests: string[];
  close(): Promise<void>;
};

type Options = BrowserContextOptions & {
  readonly apiKey?: string | undefined;
  readonly route?: string;
  /** Console errors that the test provokes, such as a 409, which Chromium reports by itself. */
  readonly expected?: RegExp;
  readonly hosts?: readonly string[];
  /** Runs in each document before the page's own scripts. */
  readonly script?: string;
};

export async function openDashboard(
  browser: Browser,
  url: string,
  { apiKey, route = "#/keys", expected, hosts = [], script, ...options }: Options = {},
): Promise<DashboardPage> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const faults: string[] = [];
  const requests: string[] = [];
  page.on("pageerror", ({ message }) => faults.push(message));
  page.on("console", (message) => {
    const isFault = ["error", "warning"].includes(message.type()) && !LEFT_EARLY.test(message.text());
    if (isFault && !expected?.test(message.text())) faults.push(`${message.type()}: ${message.text()}`);
  });
  const allowed = [new URL(url).host, ...hosts];
  const note = (requested: string) => {
    requests.push(requested);
    if (!allowed.includes(new URL(requested).host)) faults.push(`request to ${requested}`);
  };
  page.on("request", (request) => note(request.url()));
  page.on("websocket", (socket) => note(socket.url()));
  if (script !== undefined) await page.addInitScript(script);
  if (apiKey !== undefined) {
    await page.addInitScript((key) => {
      // Only in the first document of the tab: signing out must last.
      if (!sessionStorage.getItem("signed-in-by-test")) sessionStorage.setItem("memx-api-key", key);
      sessionStorage.setItem("signed-in-by-test", "1");
    }, apiKey);
  }
  await page.goto(`${url}/${route}`);
  return { page, faults, requests, close: () => context.close() };
}

/** What axe-core finds of WCAG 2.2 A and AA, as one line for each fault. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as never as {
      axe: {
        run(
          context: unknown,
          options: object,
        ): Promise<{ violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[] }>;
      };
    };
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run((globalThis as never as { document: unknown }).document, {
      runOnly: { type: "tag", values: tags },
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary.replaceAll("\n", " ")}`),
    );
  });
}
