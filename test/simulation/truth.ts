// What the writers got back and what the subscribers received: all that the oracle needs to judge a simulation.

/** A change as its writer knows it. */
export type WrittenChange = {
  readonly revision: number;
  readonly key: string;
  readonly event: "value" | "schema";
  readonly action: "set" | "delete";
  /** JSON text; `null` for a delete. */
  readonly json: string | null;
  /** The name that the writer gave itself. */
  readonly by: string | undefined;
  /** Moments, counted by the simulation. The change was applied between them. */
  readonly begun: number;
  readonly answered: number;
};

/** With the revision of the change before it to the same key. */
export type TrueChange = WrittenChange & { readonly previous: number };

export type ReceivedEvent = {
  readonly event: "value" | "schema";
  readonly action: string;
  readonly key: string;
  readonly value?: unknown;
  readonly schema?: unknown;
  readonly by?: string;
  readonly revision: number;
  readonly previous: number;
};
export type Received = ReceivedEvent | { readonly event: "ready" | "reset"; readonly revision?: number };

export type Message = {
  readonly received: Received;
  /** How many writes had begun. No more changes than that can have been applied. */
  readonly writesBegun: number;
};

export type Connection = {
  readonly since: number | undefined;
  /** Whether it gets `ready` and `reset`. */
  readonly control: boolean;
  /** Moments: when the request was sent, and when its response came. */
  readonly begun: number;
  open: number;
  readonly messages: Message[];
  /** Whether it ended before the simulation did. */
  ended: boolean;
};

/** What a subscriber asks for. */
export type Filter = { readonly keys: readonly string[]; readonly event: "value" | "schema" | "all" };

/** Returns all changes in the order of their revisions. @throws if the revisions do not count up by one */
export function orderedTruth(written: readonly WrittenChange[]): TrueChange[] {
  const last = new Map<string, number>();
  const ordered = [...written].sort((a, b) => a.revision - b.revision);
  return ordered.map((change, index) => {
    if (change.revision !== (ordered[0] as WrittenChange).revision + index) {
      throw new Error(`the revisions that the writers got do not count up by one, at ${change.revision}`);
    }
    const previous = last.get(change.key) ?? 0;
    last.set(change.key, change.revision);
    return { ...change, previous };
  });
}

export function wantedBy({ keys, event }: Filter, changes: readonly TrueChange[]): TrueChange[] {
  return changes.filter((change) => keys.includes(change.key) && (event === "all" || event === change.event));
}
