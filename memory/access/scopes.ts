// The scopes of an API key as one question: may it touch this namespaced key? Knows nothing of reading and writing.

import { compileGlob } from "./glob.ts";

/** True for the keys that at least one pattern matches. Most scopes of a long list are plain names: those cost one look-up. */
export function compileScopes(patterns: readonly string[]): (namespacedKey: string) => boolean {
  const names = new Set(patterns.filter((pattern) => !/[*?[]/.test(pattern)));
  const globs = [...new Set(patterns)].filter((pattern) => !names.has(pattern)).map(compileGlob);
  return (namespacedKey) => names.has(namespacedKey) || globs.some((matches) => matches(namespacedKey));
}
