// Reads the address of a service that memX calls over HTTP, and the secret that belongs to it.

export type Service = { readonly url: string; readonly secret: string };

/**
 * Reads both settings of a service; returns `undefined` if neither is set.
 * @throws {Error} that says what to set. It repeats no value, because a value may be a password in the wrong place.
 */
export function readServiceUrl<UrlName extends string, SecretName extends string>(
  env: Readonly<Partial<Record<UrlName | SecretName, string | undefined>>>,
  urlName: UrlName,
  secretName: SecretName,
): Service | undefined {
  if (!env[urlName] && !env[secretName]) return undefined;
  // A secret that was read from a file often ends with a line break.
  const [url, secret] = [env[urlName]?.trim(), env[secretName]?.trim()];
  if (!url || !secret) throw new Error(`Set both ${urlName} and ${secretName}, or neither.`);
  const { protocol, username, password } = URL.parse(url) ?? {};
  if (!/^https?:$/.test(protocol ?? "") || username || password) {
    throw new Error(`${urlName} must be an https:// or http:// URL without a user name and password.`);
  }
  return { url, secret };
}
