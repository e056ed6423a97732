// `npm run keys`, with a real PostgREST and without one, and whether memX accepts the keys that it creates.

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Supabase, startSupabase } from "../support/supabase/start-supabase.ts";
import { startWorkerd } from "./support/workerd.ts";

/** 192 bits in base64url. */
const API_KEY = /memx_[\w-]{32}/;

type Ran = { readonly code: number; readonly out: string; readonly err: string };

function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const options = { env: { ...process.env, SUPABASE_URL: "", SUPABASE_SERVICE_KEY: "", ...env } };
  return new Promise((resolve) =>
    execFile(process.execPath, ["scripts/keys.ts", ...args], options, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    ),
  );
}

const statusOf = async (url: string, apiKey: string, key: string) =>
  (await fetch(`${url}/get?key=${key}`, { headers: { "x-api-key": apiKey } })).status;

describe("with Supabase", () => {
  let supabase: Supabase;
  beforeAll(async () => {
    supabase = await startSupabase();
  });
  afterAll(() => supabase?.close());
  const settings = () => ({ SUPABASE_URL: supabase.url, SUPABASE_SERVICE_KEY: supabase.serviceKey });

  it("creates a key that works, shows it once, stores its hash, lists it, and revokes it", async () => {
    const user = randomUUID();
    await supabase.sql(`insert into auth.users values ('${user}')`);
    const created = await run(["create", "--name", "ci", "--user", user, "--read", "a:*", "--write", "b"], settings());
    expect(created).toMatchObject({ code: 0, err: "" });
    const apiKey = API_KEY.exec(created.out)?.[0] as string;
    const memx = await startWorkerd({ bindings: { REVOCATION_SECONDS: "1", ...settings() } });
    expect(await statusOf(memx.url, apiKey, "a:x")).toBe(200);
    expect(await statusOf(memx.url, apiKey, "b")).toBe(403);

    const listed = await run(["list"], settings());
    expect(listed.out).toContain(`${user}  {"read":["${user.slice(0, 8)}:a:*"],"write":["${user.slice(0, 8)}:b"]}  ci`);
    expect(listed.out).not.toContain(apiKey);
    expect(await supabase.sql("select * from api_keys")).not.toContain(apiKey);

    const id = listed.out.split("  ")[0] as string;
    expect(await run(["revoke", id], settings())).toMatchObject({ code: 0, err: "" });
    expect((await run(["list"], settings())).out).toContain("revoked");
    await expect.poll(() => statusOf(memx.url, apiKey, "a:x")).toBe(403);
  });

  it.each([
    [["create"], "--user"],
    [["create", "--user", "nobody"], "Supabase reports"],
    [["create", "--user", "00000000-0000-4000-8000-000000000000"], "Supabase reports"],
    [["revoke", "00000000-0000-4000-8000-000000000000"], "No API key has the id"],
    [["revoke"], "npm run keys"],
    [["delete", "x"], "npm run keys"],
    [["list", "--all"], "--all"],
  ])("says what is wrong with %j", async (args, message) => {
    const { code, out, err } = await run(args, settings());
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(message);
    expect(err).not.toContain(supabase.serviceKey);
  });
});

describe("without Supabase", () => {
  it("prints entries for MEMX_ACL, each with a different key", async () => {
    const user = randomUUID();
    const [one, other] = [
      await run(["create", "--user", user, "--name", 'the "ci"'], {}),
      await run(["create", "--read", "a"], {}),
    ];
    const entries = [one, other].map(({ out }) => JSON.parse(out.split("\n").at(-2) as string));
    const [mine, plain] = entries.map((entry) => Object.keys(entry)[0] as string) as [string, string];
    expect(mine).toMatch(API_KEY);
    expect(plain).not.toBe(mine);
    const memx = await startWorkerd({
      bindings: { MEMX_ACL: JSON.stringify(Object.assign({}, ...entries)) },
    });
    expect(await statusOf(memx.url, mine, "anything")).toBe(200);
    expect(await statusOf(memx.url, plain, "a")).toBe(200);
    expect(await statusOf(memx.url, plain, "b")).toBe(403);
    const nameOf = async (apiKey: string) => {
      const response = await fetch(`${memx.url}/whoami`, { headers: { "x-api-key": apiKey } });
      return ((await response.json()) as { name?: string }).name;
    };
    expect(await Promise.all([mine, plain].map(nameOf))).toEqual(['the "ci"', undefined]);
  });

  it("names MEMX_ACL as the place of the list", async () => {
    for (const args of [["list"], ["revoke", "x"]]) {
      expect(await run(args, {})).toMatchObject({ code: 1, err: expect.stringContaining("MEMX_ACL") });
    }
    expect((await run(["list"], { SUPABASE_URL: "http://127.0.0.1" })).err).toContain("Set both");
  });
});
