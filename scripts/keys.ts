// `npm run keys`: lists, creates and revokes API keys, for the operator. With SUPABASE_URL and SUPABASE_SERVICE_KEY
// set, the keys are in that project, which gets only their hashes. Otherwise it prints an entry for MEMX_ACL.

import { createHash, randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { readServiceUrl } from "../config/service-url.ts";

const USAGE = `npm run keys -- list
npm run keys -- create [--name NAME] [--user USER_ID] [--read PATTERN]… [--write PATTERN]…
npm run keys -- revoke ID

Patterns are globs over the user's own keys. Without --read and --write, the API key may read and write all keys.
In Supabase every API key needs --user. SUPABASE_URL and SUPABASE_SERVICE_KEY select the project.`;

try {
  const project = readServiceUrl(process.env, "SUPABASE_URL", "SUPABASE_SERVICE_KEY");
  const supabase =
    project &&
    createClient(project.url, project.secret, {
      accessToken: async () => null,
      db: { retry: false, timeout: 10_000 },
    });
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: "string" },
      user: { type: "string" },
      read: { type: "string", multiple: true },
      write: { type: "string", multiple: true },
    },
  });
  const [command, id, ...rest] = positionals;
  if (command === "create" && id === undefined) await create(supabase, values);
  else if (command === "list" && id === undefined) await list(requireSupabase(supabase));
  else if (command === "revoke" && id !== undefined && rest.length === 0) await revoke(requireSupabase(supabase), id);
  else throw new Error(USAGE);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function create(
  supabase: SupabaseClient | undefined,
  { name, user, read, write }: { name?: string; user?: string; read?: string[]; write?: string[] },
): Promise<void> {
  const both = read || write ? [] : ["*"];
  // Scopes name keys with their namespace.
  const namespaced = (patterns: readonly string[] = both) =>
    patterns.map((pattern) => (user ? `${[...user].slice(0, 8).join("")}:${pattern}` : pattern));
  const scopes = { read: namespaced(read), write: namespaced(write) };
  const apiKey = `memx_${randomBytes(24).toString("base64url")}`;
  if (!supabase) {
    const entry = JSON.stringify({ [apiKey]: { ...scopes, ...(user && { user_id: user }), ...(name && { name }) } });
    console.log(`This API key is shown only once. Add the entry to the JSON of MEMX_ACL:\n\n${entry}`);
    return;
  }
  if (!user) throw new Error("In Supabase every API key belongs to a user. Name the user with --user USER_ID.");
  const keyHash = createHash("sha256").update(apiKey).digest("hex");
  const row = { name: name ?? null, key_hash: keyHash, scopes, user_id: user, active: true };
  const [created] = checked(await supabase.from("api_keys").insert(row).select("id"));
  console.log(`This API key is shown only once; the project stores its hash. Its id is ${created?.id}.\n\n${apiKey}`);
}

async function list(supabase: SupabaseClient): Promise<void> {
  const rows = checked(
    await supabase.from("api_keys").select("id,name,active,user_id,scopes,created_at").order("created_at"),
  );
  for (const { id, name, active, user_id, scopes, created_at } of rows) {
    const columns = [id, active ? "active" : "revoked", created_at, user_id, JSON.stringify(scopes), name ?? ""];
    console.log(columns.join("  "));
  }
}

async function revoke(supabase: SupabaseClient, id: string): Promise<void> {
  const revoked = checked(await supabase.from("api_keys").update({ active: false }).eq("id", id).select("id"));
  if (revoked.length === 0) throw new Error(`No API key has the id ${id}.`);
  console.log("Revoked. memX refuses the key within 60 seconds and closes its sockets within 90.");
}

function requireSupabase(supabase: SupabaseClient | undefined): SupabaseClient {
  if (supabase) return supabase;
  throw new Error(
    "Without SUPABASE_URL and SUPABASE_SERVICE_KEY, the API keys are those in MEMX_ACL. Change them there.",
  );
}

function checked<T>({ data, error }: { data: T[] | null; error: { message: string } | null }): T[] {
  if (error) throw new Error(`Supabase reports: ${error.message}`);
  return data ?? [];
}
