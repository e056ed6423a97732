// Picks the source of API keys: Supabase if it is configured, and then only Supabase; otherwise an access list. If nothing is
// configured, every request is refused.

import developmentList from "../../config/acl.json";
import { readServiceUrl, type Service } from "../../config/service-url.ts";
import { type Access, misconfigured } from "./access.ts";
import { listAccess } from "./access-list.ts";
import { cachedAccess } from "./cached-access.ts";
import { revocationMs } from "./revocation.ts";
import { supabaseAccess } from "./supabase-access.ts";

/** One per isolate, because its configuration does not change. */
let opened: { readonly by: readonly unknown[]; readonly access: Access } | undefined;

/** @throws {ApiError} `auth_unavailable`, saying what to set */
export function openAccess(env: Env): Access {
  const by = [
    env.SUPABASE_URL,
    env.SUPABASE_SERVICE_KEY,
    env.REVOCATION_SECONDS,
    env.MEMX_ACL || (env.MEMX_ENV === "development" ? developmentList : undefined),
  ];
  if (!opened || by.some((setting, index) => setting !== opened?.by[index])) opened = { by, access: open(env, by[3]) };
  return opened.access;
}

/** The hash of no API key. */
const NO_KEY = "0".repeat(64);

/**
 * Finds out whether API keys can be checked. Within the time that memX trusts a refusal, the source is not asked again.
 * @throws {ApiError} `auth_unavailable`
 */
export async function checkAccess(env: Env): Promise<void> {
  await openAccess(env).find([NO_KEY]);
}

function open(env: Env, list: unknown): Access {
  const acceptedMs = revocationMs(env);
  const supabase = readSupabase(env);
  if (supabase) return cachedAccess(supabaseAccess({ url: supabase.url, serviceKey: supabase.secret }), { acceptedMs });
  if (list === undefined) {
    throw misconfigured(
      "No API keys are configured: set SUPABASE_URL and SUPABASE_SERVICE_KEY, or MEMX_ACL to an access list.",
    );
  }
  return listAccess(list);
}

function readSupabase(env: Env): Service | undefined {
  try {
    return readServiceUrl(env, "SUPABASE_URL", "SUPABASE_SERVICE_KEY");
  } catch (error) {
    throw misconfigured((error as Error).message);
  }
}
