// What a web page may know of the Supabase project: its URL, and the key that the project gives to every page.

export type PublicProject = { readonly url: string; readonly anonKey: string };

/**
 * Returns `undefined` if SUPABASE_ANON_KEY is not set.
 * @throws {Error} that says what to set. It repeats no value, because a value may be a secret in the wrong place.
 */
export function readPublicProject(
  env: Readonly<{ SUPABASE_URL?: string | undefined; SUPABASE_ANON_KEY?: string | undefined }>,
): PublicProject | undefined {
  const [url, anonKey] = [env.SUPABASE_URL?.trim(), env.SUPABASE_ANON_KEY?.trim()];
  if (!anonKey) return undefined;
  // Any other key opens more than a page may have.
  if (!anonKey.startsWith("sb_publishable_") && roleOf(anonKey) !== "anon") {
    throw new Error(
      "SUPABASE_ANON_KEY must be the project's anon key or its publishable key. Never set a secret key here: memX shows this key to every browser.",
    );
  }
  const { protocol, username, password } = URL.parse(url ?? "") ?? {};
  if (!url || !/^https?:$/.test(protocol ?? "") || username || password) {
    throw new Error(
      "With SUPABASE_ANON_KEY, SUPABASE_URL must be an https:// or http:// URL without a user name and password.",
    );
  }
  return { url: url.replace(/\/+$/, ""), anonKey };
}

/** The role in a JSON Web Token (RFC 7519), or `undefined`. */
function roleOf(token: string): unknown {
  try {
    const [, payload = ""] = token.split(".");
    return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))).role;
  } catch {
    return undefined; // Not a token.
  }
}
