// What the dashboard's page may know of the settings.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { readPublicProject } from "../../config/public-project.ts";
import { app } from "../../worker/app.ts";
import { problem } from "../support/client.ts";

const token = (claims: object) => `e30.${btoa(JSON.stringify(claims)).replaceAll("=", "")}.c2ln`;
const ANON = token({ role: "anon", iss: "supabase" });
const URL_OF_PROJECT = "https://project.supabase.co";

async function ask(path: string, settings: Partial<Env>): Promise<Response> {
  const request = new Request(`http://memx${path}`, { headers: { accept: "text/html" } });
  return (await app.fetch(request, { ...env, ...settings } as Env, createExecutionContext())) as unknown as Response;
}

describe("/dashboard/config.json", () => {
  it("offers the API key of development only where config/acl.json is in force", async () => {
    expect(await (await ask("/dashboard/config.json", {})).json()).toEqual({ apiKey: "local_dev_key" });
    for (const settings of [
      { MEMX_ENV: "" },
      { MEMX_ENV: "production" },
      { MEMX_ACL: '{"local_dev_key":["*"]}' },
      { SUPABASE_URL: URL_OF_PROJECT, SUPABASE_SERVICE_KEY: "secret" },
    ]) {
      const response = await ask("/dashboard/config.json", settings as Partial<Env>);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await response.json(), JSON.stringify(settings)).toEqual({});
    }
  });

  it("shows the project's URL and public key, and the page may call the project", async () => {
    const settings = {
      SUPABASE_URL: `${URL_OF_PROJECT}/`,
      SUPABASE_SERVICE_KEY: "the-secret",
      SUPABASE_ANON_KEY: ANON,
    };
    const text = await (await ask("/dashboard/config.json", settings as Partial<Env>)).text();
    expect(JSON.parse(text)).toEqual({ supabase: { url: URL_OF_PROJECT, anonKey: ANON } });
    const page = await ask("/", settings as Partial<Env>);
    expect(page.headers.get("content-security-policy")).toContain(`connect-src 'self' ${URL_OF_PROJECT};`);
    await page.body?.cancel();
  });

  it("says what is wrong with a key that is not public, and the page still opens", async () => {
    const secret = token({ role: "service_role" });
    const settings = { SUPABASE_URL: URL_OF_PROJECT, SUPABASE_ANON_KEY: secret } as Partial<Env>;
    const response = await ask("/dashboard/config.json", settings);
    const text = await response.clone().text();
    await problem(response, "auth_unavailable");
    expect(text).toContain("SUPABASE_ANON_KEY");
    expect(text).not.toContain(secret);
    const page = await ask("/", settings);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("connect-src 'self';");
    await page.body?.cancel();
  });
});

describe("SUPABASE_ANON_KEY", () => {
  it.each([ANON, "sb_publishable_abc", ` ${ANON}\n`])("may be %j", (key) => {
    const project = readPublicProject({ SUPABASE_URL: URL_OF_PROJECT, SUPABASE_ANON_KEY: key });
    expect(project).toEqual({ url: URL_OF_PROJECT, anonKey: key.trim() });
  });

  it.each([
    token({ role: "service_role" }),
    token({ role: "authenticated" }),
    token({}),
    "sb_secret_abc",
    "anon",
    "a.b.c",
  ])("must not be %s, and no message repeats it", (key) => {
    const read = () => readPublicProject({ SUPABASE_URL: URL_OF_PROJECT, SUPABASE_ANON_KEY: key });
    expect(read).toThrow("SUPABASE_ANON_KEY must be the project's anon key");
    expect(read).not.toThrow(key.length > 8 ? key : "nothing to look for");
  });

  it.each(["", "project", "ftp://project", "https://user:password@project"])(
    "needs a good SUPABASE_URL, not %j",
    (url) => {
      expect(() => readPublicProject({ SUPABASE_URL: url, SUPABASE_ANON_KEY: ANON })).toThrow("SUPABASE_URL must be");
    },
  );

  it("is not needed", () => {
    expect(readPublicProject({ SUPABASE_URL: URL_OF_PROJECT })).toBeUndefined();
    expect(readPublicProject({})).toBeUndefined();
  });
});
