// An account of a Supabase project, and its API keys, in the dashboard: against the real PostgREST and PostgreSQL, with the
// policies of config/supabase.sql. A stand-in takes the part of GoTrue.

import { createHash, randomUUID } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Supabase, startSupabase } from "../support/supabase/start-supabase.ts";
import { type AuthStandIn, startAuthStandIn } from "./support/auth-stand-in.ts";
import { findBarriers, launchChromium, openDashboard } from "./support/dashboard-page.ts";
import { type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

const ada = { id: randomUUID(), email: "ada@example.org", password: "correct horse" };
const bob = { id: randomUUID(), email: "bob@example.org", password: "battery staple" };

let browser: Browser;
let supabase: Supabase;
let auth: AuthStandIn;
let memx: SelfHosted;

beforeAll(async () => {
  [browser, supabase] = await Promise.all([launchChromium(), startSupabase()]);
  for (const { id } of [ada, bob]) await supabase.sql(`insert into auth.users values ('${id}')`);
  auth = await startAuthStandIn(supabase, [ada, bob]);
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

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
const open = (route: string, expected?: RegExp) =>
  openDashboard(browser, memx.url, { route, hosts: [new URL(auth.url).host], ...(expected && { expected }) });

it("makes an API key that memX accepts, uses it, and revokes it", async () => {
  await supabase.addKey({ key: `key-${randomUUID()}`, userId: bob.id, name: "bob's own" });
  const { page, faults, requests, close } = await open("", /status of 40[03]|WebSocket/);
  await page.getByRole("link", { name: "Use my account" }).click();
  await page.getByLabel("Email address").fill(ada.email);
  await page.getByLabel("Password").fill("wrong");
  await button(page, "Sign in").click();
  await page.getByText("This email address and password do not match an account.").waitFor();
  await page.getByLabel("Password").fill(ada.password);
  await button(page, "Sign in").click();
  await page.getByRole("heading", { name: "No API keys yet" }).waitFor();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await findBarriers(page)).toEqual([]);
  }

  await button(page, "New API key").click();
  await page.getByLabel("Name").fill("planner");
  await page.getByLabel("May read").fill("agent:*\nshared:[ab]");
  await page.getByLabel("May write").fill("agent:*");
  expect(await findBarriers(page)).toEqual([]);
  await button(page, "Make API key").click();
  const apiKey = (await page.getByRole("region", { name: "the new API key" }).textContent())?.trim() ?? "";
  expect(apiKey).toMatch(/^memx_[\w-]{32}$/);
  const row = await supabase.sql(`select key, key_hash, user_id, scopes, active from api_keys where name = 'planner'`);
  const namespace = ada.id.slice(0, 8);
  const hash = createHash("sha256").update(apiKey).digest("hex");
  expect(row).toBe(
    `|${hash}|${ada.id}|{"read": ["${namespace}:agent:*", "${namespace}:shared:[ab]"], "write": ["${namespace}:agent:*"]}|t`,
  );
  expect(JSON.parse(await memx.call("/whoami", { apiKey }))).toMatchObject({
    name: "planner",
    scopes: { read: ["agent:*", "shared:[ab]"], write: ["agent:*"] },
  });

  await button(page, "Use it here").click();
  await page.getByRole("heading", { name: "Nothing is stored yet" }).waitFor();
  for (const n of [1, 2, 3]) await memx.call("/set", { apiKey, body: `{"key":"agent:${n}","value":${n}.0}` });
  await page.locator(".tree-foot").getByText("3 keys").waitFor();

  // The scopes of the next key, with the keys that they match.
  await page.getByRole("link", { name: "API keys" }).click();
  await page.getByRole("rowheader", { name: "planner" }).waitFor();
  expect(await page.content()).not.toContain("bob's own");
  expect(await page.content()).not.toContain(apiKey);
  await button(page, "New API key").click();
  await page.getByText("Matches 3 of 3 keys").first().waitFor();
  await page.getByLabel("May read").fill("agent:[!1]");
  await page.getByText("Matches 2 of 3 keys").waitFor();
  await page.getByLabel("May read").fill("other:*");
  await page.getByText("No key that is there now matches.").waitFor();
  await button(page, "Cancel").click();
  await page.getByRole("link", { name: "Keys", exact: true }).click();
  await page.getByRole("treeitem", { name: /\b2\b/ }).click();
  await page.getByRole("link", { name: "Access" }).click();
  await page.getByText("API keys of your account that may read it").waitFor();

  await page.getByRole("link", { name: "API keys" }).click();
  await button(page, "Revoke planner").click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("cell", { name: "revoked" }).waitFor();
  expect(await supabase.sql(`select active from api_keys where name = 'planner'`)).toBe("f");
  expect(await supabase.sql(`select active from api_keys where name = 'bob''s own'`)).toBe("t");
  await page
    .getByText("The API key was revoked")
    .or(page.getByText(/API key/).filter({ hasText: "Sign in again" }))
    .first()
    .waitFor({ timeout: 60_000 });
  await button(page, "Sign in again").click();

  await page.getByRole("link", { name: "Use my account" }).click();
  await button(page, "Sign out of the account").click();
  await page.getByLabel("Email address").waitFor();
  expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }))).not.toMatch(/memx_|eyJ/);
  expect(requests.join("\n")).not.toContain(apiKey);
  expect(requests.join("\n")).not.toContain(supabase.serviceKey);
  expect(faults).toEqual([]);
  await close();
});

it("signs in by a link, whose tokens do not stay in the address, and renews the session", async () => {
  const first = await open("#/account");
  await first.page.getByLabel("Email address").fill(bob.email);
  await button(first.page, "Send me a link instead").click();
  await first.page.getByText("Look into your inbox.").waitFor();
  expect(auth.links).toHaveLength(1);
  await first.close();
  const link = new URL(auth.links[0] as string);
  expect(link.origin).toBe(new URL(memx.url).origin);
  const second = await open(link.hash);
  await second.page.getByRole("rowheader", { name: "bob's own" }).waitFor();
  expect(second.page.url()).toBe(`${memx.url}/#/account`);
  // As if the hour were over.
  await second.page.evaluate(() => {
    const stored = JSON.parse(sessionStorage.getItem("memx-account") ?? "");
    sessionStorage.setItem("memx-account", JSON.stringify({ ...stored, accessToken: "ended", expires: 1 }));
  });
  await second.page.reload();
  await second.page.getByRole("rowheader", { name: "bob's own" }).waitFor();
  expect(second.requests.some((url) => url.endsWith("/auth/v1/token?grant_type=refresh_token"))).toBe(true);
  expect(second.faults).toEqual([]);
  await second.close();
  const failed = await open(
    "#error=access_denied&error_code=otp_expired&error_description=Email+link+is+invalid+or+has+expired",
  );
  await failed.page.getByText("Email link is invalid or has expired. Ask for a new link.").waitFor();
  expect(failed.faults).toEqual([]);
  await failed.close();
});

it("is allowed by the page's policy to call the project, and nothing else", async () => {
  const page = await fetch(memx.url, { headers: { accept: "text/html" } });
  expect(page.headers.get("content-security-policy")).toContain(`connect-src 'self' ${auth.url};`);
  const { supabase: shown, ...rest } = (await (await fetch(`${memx.url}/dashboard/config.json`)).json()) as Record<
    string,
    unknown
  >;
  expect(shown).toEqual({ url: auth.url, anonKey: supabase.anonKey });
  expect(rest).toEqual({});
});

it("never shows a secret key that was set in place of the public one", async () => {
  const settings = { MEMX_ACL: "{}", SUPABASE_URL: auth.url, SUPABASE_SERVICE_KEY: supabase.serviceKey };
  for (const secret of [supabase.serviceKey, "sb_secret_abcdef", supabase.tokenOf(ada.id)]) {
    const started = startSelfHosted("embedded", { ...settings, SUPABASE_ANON_KEY: secret });
    await expect(started).rejects.toThrow(/SUPABASE_ANON_KEY must be the project's anon key/);
    await expect(started).rejects.not.toThrow(secret);
  }
});
