// The dashboard's own files, and the settings that its page may know. dashboard/ has the sources.

import { Hono } from "hono";
import { type PublicProject, readPublicProject } from "../../config/public-project.ts";
import { misconfigured } from "../../memory/access/access.ts";
import { ApiError } from "../../memory/errors.ts";
import type { AppContext, AppEnv } from "../app-env.ts";
import { serveAsset } from "../response/asset.ts";

export const dashboard = new Hono<AppEnv>();

/** The names of built files contain a hash of their content. */
const IMMUTABLE = "public, max-age=31536000, immutable";

dashboard.get("/dashboard/config.json", (c) => {
  const project = publicProject(c.env);
  // config/acl.json is in force, so the page can offer its key.
  const { MEMX_ENV, MEMX_ACL, SUPABASE_URL, SUPABASE_SERVICE_KEY } = c.env;
  const isOpen = MEMX_ENV === "development" && !MEMX_ACL && !SUPABASE_URL && !SUPABASE_SERVICE_KEY;
  return c.json({ ...(isOpen && { apiKey: "local_dev_key" }), ...(project && { supabase: project }) });
});

dashboard.get("/dashboard/:file{[\\w-]+\\.(?:js|css|svg)}", async (c) => {
  const response = await serveAsset(c, c.req.path, { cache: IMMUTABLE });
  // A page from before a deploy asks for files that are gone.
  return response.status === 404 ? noSuchFile(c) : response;
});

/** The page itself, which is not cached longer than the files that it names are there. */
export async function dashboardPage(c: AppContext): Promise<Response> {
  return serveAsset(c, "/index.html", { cache: "no-cache", "content-security-policy": policy(c.env) });
}

function noSuchFile(c: AppContext): Response {
  return new ApiError("not_found", `No such path: ${c.req.path}. Reload the dashboard.`).toResponse();
}

/** The page runs no script and loads no file but its own. If the project's public key is set, it may also call the project. */
function policy(env: Env): string {
  let project: string | undefined;
  try {
    project = readPublicProject(env)?.url;
  } catch {
    // /dashboard/config.json says what is wrong.
  }
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self'${project ? ` ${new URL(project).origin}` : ""}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

/** @throws {ApiError} `auth_unavailable`, saying what to set */
function publicProject(env: Env): PublicProject | undefined {
  try {
    return readPublicProject(env);
  } catch (error) {
    throw misconfigured((error as Error).message);
  }
}
