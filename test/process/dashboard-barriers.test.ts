// Barriers in the dashboard: axe-core's rules for WCAG 2.2 A and AA in every view, light and dark, wide and narrow.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isLong } from "../support/long-runs.ts";
import { findBarriers, launchChromium, openDashboard } from "./support/dashboard-page.ts";
import { ENGINES, type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());

// The views are the same on both engines, so only a long run takes both.
describe.each(isLong ? ENGINES : (["embedded"] as const))("on the %s store", { tags: ["long"] }, (engine) => {
  let memx: SelfHosted;

  beforeAll(async () => {
    const acl = {
      local_dev_key: { read: ["*"], write: ["*"], name: "planner's key" },
      empty: { read: ["none"], write: ["none"] },
    };
    memx = await startSelfHosted(engine, { MEMX_ACL: JSON.stringify(acl) });
    const schema = '{"type":"object","required":["x"],"properties":{"x":{"type":"number"}}}';
    await memx.call("/schema", { body: `{"key":"agent:goal","schema":${schema}}` });
    for (const [key, value, agent] of [
      ["agent:goal", '{"x":1,"list":[1,"two",null,true,{"deep":{"er":[]}}]}', "planner"],
      ["agent:goal", '{"x":2.0,"list":[],"note":"changed"}', "critic"],
      ["agent:plan", '["a","b"]', "planner"],
      ["docs/a", '"text"', "writer"],
      ["task:1:lease", '"worker-1","ttl":5000', "worker-1"],
    ] as const) {
      await memx.call("/set", { agent, body: `{"key":"${key}","value":${value}}` });
    }
  });
  afterAll(() => memx?.close());

  const key = "#/keys/agent%3Agoal";
  const editor = (page: Page) => page.locator("#value-editor");
  const click = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
  const VIEWS: readonly (readonly [name: string, route: string, prepare: (page: Page) => Promise<unknown>])[] = [
    ["keys", "#/keys", (page) => page.getByRole("treeitem").first().click()],
    ["value", key, (page) => page.getByText("changed", { exact: false }).first().waitFor()],
    ["text", key, (page) => click(page, "Text")],
    [
      "history",
      `${key}/history`,
      (page) => page.getByRole("region", { name: "Difference between the two revisions" }).waitFor(),
    ],
    ["schema", `${key}/schema`, (page) => page.getByRole("region", { name: "The schema" }).waitFor()],
    ["access", `${key}/access`, (page) => page.getByText("Can write").waitFor()],
    ["edit", key, (page) => click(page, "Edit")],
    [
      "faults",
      key,
      async (page) => {
        await click(page, "Edit");
        await editor(page).fill('{"x":"one"}');
        await click(page, "Save");
        await page.getByText("Must be a number").waitFor();
      },
    ],
    [
      "conflict",
      key,
      async (page) => {
        await click(page, "Edit");
        await editor(page).fill('{"x":3,"note":"mine"}');
        await memx.call("/set", {
          body: `{"key":"agent:goal","value":{"x":${Date.now()},"note":"theirs"}}`,
          agent: "critic",
        });
        await click(page, "Compare and merge");
        await page.getByText("changed on both sides").waitFor();
      },
    ],
    [
      "question",
      key,
      async (page) => {
        await click(page, "Delete");
        await page.getByRole("dialog").waitFor();
      },
    ],
    ["no value", "#/keys/never", (page) => page.getByText("This key has no value.").waitFor()],
    ["new", "#/new", (page) => page.getByLabel("Schema", { exact: true }).selectOption({ index: 2 })],
    ["live", "#/live", (page) => page.getByRole("region", { name: "Who wrote what when" }).waitFor()],
    ["connect", "#/connect", (page) => page.getByRole("region", { name: "Write a value" }).first().waitFor()],
  ];

  it.each(VIEWS)("has no barrier in the view: %s", async (_, route, prepare) => {
    const { page, close } = await openDashboard(browser, memx.url, { apiKey: "local_dev_key", route });
    await page.getByRole("status").getByText("Live", { exact: true }).first().waitFor();
    await prepare(page);
    for (const viewport of [
      { width: 1440, height: 900 },
      { width: 360, height: 740 },
    ]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await findBarriers(page), `${colorScheme} at ${viewport.width}`).toEqual([]);
      }
      expect(
        await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        "scrolls sideways",
      ).toBeLessThanOrEqual(0);
    }
    await close();
  });

  it("has no barrier before signing in, without keys, and with other colors than the system's", async () => {
    const signIn = await openDashboard(browser, memx.url);
    const empty = await openDashboard(browser, memx.url, { apiKey: "empty" });
    await empty.page.getByRole("heading", { name: "Nothing is stored yet" }).waitFor();
    for (const { page } of [signIn, empty]) {
      for (const theme of ["system", "light", "dark"]) {
        expect(await findBarriers(page), theme).toEqual([]);
        await page.getByRole("button", { name: /^Colors: / }).click();
      }
    }
    await signIn.close();
    await empty.close();
  });
});
