// Decides which changes a subscriber wants and may read.

import { compileGlob } from "../../memory/access/glob.ts";
import { namespacedKey } from "../../memory/access/principal.ts";
import { compileScopes } from "../../memory/access/scopes.ts";
import type { Join } from "../../memory/channels/join.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";

export type ChangeFilter = (change: Change) => boolean;

export function compileFilter({ namespace, key, event, patterns, scopes }: Join): ChangeFilter {
  const wanted = (change: Change) => event === "all" || event === change.event;
  // A subscriber of one key was authorized to read it before it joined.
  if (key !== ALL_KEYS) return wanted;
  const globs = patterns.map(compileGlob);
  const readable = compileScopes(scopes);
  return (change) =>
    wanted(change) && globs.some((matches) => matches(change.key)) && readable(namespacedKey(namespace, change.key));
}
