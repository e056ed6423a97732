// Compiles the scopes of an API key to one test of a namespaced key. Does not distinguish reading from writing.

import { compileGlob } from "./glob.ts";

/** True for keys that match at least one pattern. Most scopes of a long list are plain names, which cost one look-up. */
export function compileScopes(patterns: readonly string[]): (namespacedKey: string) => boolean {
  const names = new Set(patterns.filter((pattern) => !/[*?[]/.test(pattern)));
  const globs = [...new Set(patterns)].filter((pattern) => !names.has(pattern)).map(compileGlob);
  return (namespacedKey) => names.has(namespacedKey) || globs.some((matches) => matches(namespacedKey));
}
