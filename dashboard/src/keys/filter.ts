// The filter above a list. Text with `*`, `?` or `[` is a glob over the whole key, as memX reads it; any other text matches
// keys that contain it.

import { compileGlob } from "../../../sdk/typescript/glob.ts";

export function compileFilter(text: string): (key: string) => boolean {
  const filter = text.trim();
  if (filter === "") return () => true;
  if (/[*?[]/.test(filter)) return compileGlob(filter);
  const lower = filter.toLowerCase();
  return (key) => key.toLowerCase().includes(lower);
}

/** Whether any of the globs matches. */
export function matchesAny(globs: readonly string[]): (key: string) => boolean {
  const tests = globs.map(compileGlob);
  return (key) => tests.some((test) => test(key));
}
