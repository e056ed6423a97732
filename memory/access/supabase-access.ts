// API keys from the `api_keys` table of a Supabase project, as config/supabase.sql creates it. Queried with the service key,
// which only the Worker has. A malformed row grants nothing.

import { createClient, type PostgrestError } from "@supabase/supabase-js";
import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../errors.ts";
import { log } from "../log.ts";
import { compileSchema } from "../schemas/compile-schema.ts";
import { type Access, misconfigured } from "./access.ts";
import { createPrincipal, type Principal } from "./principal.ts";
import { scopesFit } from "./scope-limits.ts";

type Row = {
  readonly lookup_hash: string;
  readonly scopes: { read?: string[]; write?: string[] };
  readonly user_id: string;
  readonly name: string | null;
};

/** Hashes per query: a URL of about 8,000 characters works everywhere. */
const MAX_HASHES = 100;

const patterns = { type: "array", items: { type: "string" } } as const;
const checkRow = compileSchema({
  type: "object",
  required: ["lookup_hash", "scopes", "user_id"],
  properties: {
    lookup_hash: { type: "string" },
    active: { const: true },
    scopes: { type: "object", properties: { read: patterns, write: patterns } },
    // The namespace is the first 8 characters: fewer could match another namespace, none would be the default one.
    user_id: { type: "string", minLength: 8, pattern: "^\\P{Cs}*$" },
  },
});

export function supabaseAccess({ url, serviceKey }: { url: string; serviceKey: string }): Access {
  // With an access token function the client starts no session, timer or request of its own. One attempt, because a caller waits.
  const client = createClient(url, serviceKey, { accessToken: async () => null, db: { retry: false } });
  const ask = async (keyHashes: readonly string[]): Promise<[string, Principal][]> => {
    const { data, error } = await client
      .from("api_keys")
      .select("lookup_hash,active,scopes,user_id,name")
      .in("lookup_hash", keyHashes)
      .eq("active", true)
      .abortSignal(AbortSignal.timeout(LIMITS.accessTimeoutMs));
    if (error) throw failure(error);
    return data.flatMap((row: Row) => {
      const fits = scopesFit({ read: row.scopes?.read, write: row.scopes?.write, name: row.name });
      if (!fits || checkRow(row).length > 0) {
        const user = typeof row.user_id === "string" ? row.user_id : null;
        log("warn", fits ? "malformed_api_key" : "oversized_api_key", { user });
        return [];
      }
      const { read = [], write = [] } = row.scopes;
      return [[row.lookup_hash, createPrincipal({ userId: row.user_id, read, write, name: row.name })]];
    });
  };
  return {
    async find(keyHashes) {
      const found: [string, Principal][] = [];
      // One after the other: a look-up of many keys is not urgent, and has few connections.
      for (let start = 0; start < keyHashes.length; start += MAX_HASHES) {
        found.push(...(await ask(keyHashes.slice(start, start + MAX_HASHES))));
      }
      return new Map(found);
    },
  };
}

/** Leaves out the client's own text, which can repeat the query or the URL. */
function failure({ code }: PostgrestError): ApiError {
  switch (code) {
    case "42P01": // No such table, in the words of PostgreSQL and of PostgREST.
    case "PGRST205":
    case "42703": // No such column.
      return misconfigured("API keys cannot be checked: run config/supabase.sql in the Supabase project.");
    case "42501": // Not permitted.
    case "PGRST301": // Not a token of this project.
      return misconfigured("API keys cannot be checked: SUPABASE_SERVICE_KEY is not this project's service key.");
    default:
      return new ApiError("auth_unavailable", "API keys cannot be checked at the moment. Try again.", {
        cause: `Supabase did not respond${code && `: ${code}`}`,
        retryAfterSeconds: 5,
      });
  }
}
