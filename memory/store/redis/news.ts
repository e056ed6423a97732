// What write.lua tells other processes: its last changes to what they watch, as one message on a Redis channel of the namespace.

import type { Topic } from "../../channels/topic.ts";
import type { AppliedChange, Watched } from "../store.ts";
import { namespaceOf } from "./redis-keys.ts";
import { parseChange, type Reply } from "./script-format.ts";

/** A change for one channel. */
export type NewsItem = { readonly topic: Topic; readonly applied: Omit<AppliedChange, keyof Watched> };

/** Reads the items of a message that are for this process. The first line of the message is only for the bridge. */
export function parseNews(message: string, process: string): NewsItem[] {
  const [tag, gaplessSince, ...items] = JSON.parse(message.slice(message.indexOf("\n") + 1)) as [
    string,
    string,
    ...Reply[],
  ];
  const namespace = namespaceOf(tag);
  return items.flatMap(([processes = "", key, ttl, ...texts]) => {
    if (!processes?.split(" ").includes(process)) return [];
    // A change that removes something has no text.
    const change = parseChange(texts.with(JSON_TEXT, texts[JSON_TEXT] || null));
    const applied = { change, gaplessSince: Number(gaplessSince), ...(ttl && { ttl: Number(ttl) / 1e6 }) };
    return [{ topic: { namespace, key: key as string }, applied }];
  });
}

/** Its place among the texts of a change. */
const JSON_TEXT = 6;
