// Every action on an account and its API keys by keyboard alone, against the real PostgREST and PostgreSQL.

import { randomUUID } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Supabase, startSupabase } from "../support/supabase/start-supabase.ts";
import { type AuthStandIn, startAuthStandIn } from "./support/auth-stand-in.ts";
import { launchChromium } from "./support/dashboard-page.ts";
import { findKeyboardFaults, openByKeyboard } from "./support/keyboard.ts";
import { type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

const ada = { id: randomUUID(), email: "ada@example.org", password: "correct horse" };

let browser: Browser;
let supabase: Supabase;
let auth: AuthStandIn;
let memx: SelfHosted;

beforeAll(async () => {
  [browser, supabase] = await Promise.all([launchChromium(), startSupabase()]);
  await supabase.sql(`insert into auth.users values ('${ada.id}')`);
  auth = await startAuthStandIn(supabase, [ada]);
  memx = await startSelfHosted("embedded", {
    SUPABASE_URL: auth.url,
    SUPABASE_SERVICE_KEY: supabase.serviceKey,
    SUPABASE_ANON_KEY: supabase.anonKey,
    REVOCATION_SECONDS: "1",
  });
});
afterAll(async () => {
  await memx?.close();
  auth?.close();
  await supabase?.close();
  await browser?.close();
});

const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const link = (page: Page, name: string) => page.getByRole("link", { name, exact: true });
const heading = (page: Page, name: string) => page.getByRole("heading", { name, exact: true });

describe("an account by keyboard alone", { tags: ["long"] }, () => {
  it("signs in, makes, uses and revokes API keys, and signs out", async () => {
    const { page, press, type, tabTo, enter, retype, expectFocus, faults, close } = await openByKeyboard(
      browser,
      memx.url,
      {
        route: "",
        hosts: [new URL(auth.url).host],
        permissions: ["clipboard-read", "clipboard-write"],
        expected: /status of 40[03]|WebSocket/,
      },
    );
    const main = page.getByRole("main");
    await expectFocus(page.getByLabel("API key"));
    await enter(link(page, "Use my account"));
    await heading(page, "Your account").waitFor();
    await expectFocus(main);
    await tabTo(page.getByLabel("Email address"));
    await type(ada.email);
    await tabTo(page.getByLabel("Password"));
    await type("wrong");
    expect(await findKeyboardFaults(page)).toEqual([]);
    await enter(button(page, "Sign in"));
    await page.getByText("This email address and password do not match an account.").waitFor();
    await expectFocus(button(page, "Sign in"));
    await tabTo(page.getByLabel("Password"));
    await retype(ada.password);
    await press("Enter");
    await heading(page, "No API keys yet").waitFor();
    await expectFocus(main);

    await enter(button(page, "New API key"));
    await expectFocus(page.getByLabel("Name"));
    await enter(button(page, "Cancel"));
    await button(page, "New API key").waitFor();
    await expectFocus(main);
    for (const name of ["planner", "critic"]) {
      await enter(button(page, "New API key"));
      await expectFocus(page.getByLabel("Name"));
      await type(name);
      for (const field of ["May read", "May write"]) {
        await tabTo(page.getByLabel(field));
        await retype("agent:*");
      }
      expect(await findKeyboardFaults(page)).toEqual([]);
      await enter(button(page, "Make API key"));
      await heading(page, "Copy it now").waitFor();
      await expectFocus(main);
      expect(await findKeyboardFaults(page)).toEqual([]);
      await enter(button(page, "Copy the new API key"));
      await expect.poll(() => page.evaluate("navigator.clipboard.readText()")).toMatch(/^memx_[\w-]{32}$/);
      await enter(button(page, name === "planner" ? "I have copied it" : "Use it here"));
      await heading(page, "Copy it now").waitFor({ state: "hidden" });
      await expectFocus(main);
    }
    await heading(page, "Nothing is stored yet").waitFor();
    await enter(link(page, "API keys"));
    await page.getByRole("rowheader", { name: "planner" }).waitFor();
    await expectFocus(link(page, "API keys"));
    expect(await findKeyboardFaults(page)).toEqual([]);

    await enter(button(page, "Revoke critic"));
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await expectFocus(button(page, "Revoke critic"));
    await press("Enter");
    await tabTo(dialog.getByRole("button", { name: "Revoke" }));
    await press("Enter");
    await page.getByRole("cell", { name: "revoked" }).waitFor();
    await expectFocus(main);
    await button(page, "Sign in again").waitFor({ timeout: 60_000 });
    await enter(button(page, "Sign in again"));
    await expectFocus(page.getByLabel("API key"));

    await enter(link(page, "Use my account"));
    await enter(button(page, "Sign out of the account"));
    await page.getByLabel("Email address").waitFor();
    await expectFocus(main);
    await enter(link(page, "Sign in with an API key"));
    await expectFocus(page.getByLabel("API key"));
    await enter(link(page, "Use my account"));
    await tabTo(page.getByLabel("Email address"));
    await type(ada.email);
    await enter(button(page, "Send me a link instead"));
    await page.getByText("Look into your inbox.").waitFor();
    await expectFocus(main);
    expect(faults).toEqual([]);
    await close();
  });

  it("has nothing to reach where there are no accounts but the way back", async () => {
    const alone = await startSelfHosted("embedded", { MEMX_ACL: "{}" });
    const { page, enter, expectFocus, faults, close } = await openByKeyboard(browser, alone.url, {
      route: "#/account",
    });
    await heading(page, "No accounts here").waitFor();
    expect(await findKeyboardFaults(page)).toEqual([]);
    await enter(link(page, "Back"));
    await expectFocus(page.getByLabel("API key"));
    expect(faults).toEqual([]);
    await close();
    await alone.close();
  });
});
