// Reads a snapshot: all current values and schemas of a topic, as the changes that would write them.

import type { LimitFunction } from "p-limit";
import type { Topic } from "../../memory/channels/topic.ts";
import { ALL_KEYS, type Entry, type Store, type StoredSchema } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";

/** Not of one moment: it may include changes that are made meanwhile. The caller tells them by their revisions. */
export async function* readSnapshot(
  store: Store,
  { namespace, key }: Topic,
  limit: LimitFunction,
): AsyncGenerator<Change> {
  if (key !== ALL_KEYS) {
    const schema = await limit(() => store.readSchema(namespace, key));
    const entry = await limit(() => store.readEntry(namespace, key));
    yield* changesOf(key, entry, schema);
    return;
  }
  for (let after = "", more = true; more; ) {
    const from = after;
    const page = await limit(() => store.readEntries(namespace, from));
    for (const { key, entry, schema } of page.entries) {
      yield* changesOf(key, entry, schema);
      after = key;
    }
    more = page.more;
  }
}

/** The schema first, because it describes the value. `previous` is 0, because the receiver has no earlier change. */
function* changesOf(key: string, entry: Entry | null, stored: StoredSchema | null): Generator<Change> {
  const common = { key, action: "set", previous: 0 } as const;
  if (stored) {
    const { schema: json, ...version } = stored;
    yield { ...common, event: "schema", json, ...version };
  }
  if (entry) {
    const { value: json, ...version } = entry;
    yield { ...common, event: "value", json, ...version };
  }
}
