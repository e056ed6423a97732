// Which changes a subscriber wants, and may have.

import { compileGlob } from "../../memory/access/glob.ts";
import { namespacedKey } from "../../memory/access/principal.ts";
import { compileScopes } from "../../memory/access/scopes.ts";
import type { Join } from "../../memory/channels/join.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";

export type ChangeFilter = (change: Change) => boolean;

export function compileFilter({ namespace, key, event, patterns, scopes }: Join): ChangeFilter {
  const wanted = (change: Change) => event === "all" || event === change.event;
  // The channel of one key is joined only by those who may read it.
  if (key !== ALL_KEYS) return wanted;
  const globs = patterns.map(compileGlob);
  const readable = compileScopes(scopes);
  return (change) =>
    wanted(change) && globs.some((matches) => matches(change.key)) && readable(namespacedKey(namespace, change.key));
}
