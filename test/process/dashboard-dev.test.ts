// The dashboard on `npm run dev`, which offers the API key of development.

import { expect, it } from "vitest";
import { launchChromium } from "./support/dashboard-page.ts";
import { startDev } from "./support/dev-server.ts";
import { openByKeyboard } from "./support/keyboard.ts";

it("offers the development key, and shows the memory with one click or key", async () => {
  const [{ url }, browser] = await Promise.all([startDev(), launchChromium()]);
  const { page, faults, requests, enter } = await openByKeyboard(browser, url, { route: "" });
  const offer = page.getByRole("button", { name: "Use the development key" });
  await offer.click();
  await page.getByRole("heading", { name: "Nothing is stored yet" }).waitFor();
  await fetch(`${url}/set`, {
    method: "POST",
    headers: { "x-api-key": "local_dev_key", "content-type": "application/json" },
    body: '{"key":"agent:goal","value":{"x":1}}',
  });
  await page.getByRole("treeitem", { name: "goal" }).click();
  await page.getByText("1 member").waitFor();
  await enter(page.getByRole("button", { name: "Sign out" }));
  await enter(offer);
  await page.getByRole("treeitem", { name: "goal" }).waitFor();
  expect(faults).toEqual([]);
  expect(requests.join("\n")).not.toContain("local_dev_key");
  await browser.close();
});
