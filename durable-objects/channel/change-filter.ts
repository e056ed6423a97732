// Decides which changes a subscriber wants and may read. Subscribers that ask for the same share a filter.

import { compileGlob } from "../../memory/access/glob.ts";
import { namespacedKey } from "../../memory/access/principal.ts";
import { compileScopes } from "../../memory/access/scopes.ts";
import type { Join } from "../../memory/channels/join.ts";
import { ALL_KEYS } from "../../memory/store/store.ts";
import type { Change } from "../../sdk/protocol.ts";

/** The part of a change that a filter looks at. */
export type Subject = Pick<Change, "key" | "event">;

export class ChangeFilter {
  /** Distinguishes the filters of a channel. */
  readonly id: number;
  /** What one decision costs at most, in the units of a turn. */
  readonly work: number;
  readonly #join: Join;
  #matches: ((subject: Subject) => boolean) | undefined;
  /** The last decision. All subscribers of a filter ask for the same change, one after the other. */
  #last: Subject | undefined;
  #wanted = false;

  constructor(id: number, join: Join) {
    this.id = id;
    this.#join = join;
    this.work = [...join.patterns, ...join.scopes].reduce((sum, glob) => sum + glob.length, 1);
  }

  wants(subject: Subject): boolean {
    if (subject === this.#last) return this.#wanted;
    // Compiled on first use: an object that wakes for an alarm may have thousands of filters and no change for any.
    this.#matches ??= compile(this.#join);
    this.#wanted = this.#matches(subject);
    this.#last = subject;
    return this.#wanted;
  }

  /** Whether `wants` will decide this without work. */
  knows(subject: Subject): boolean {
    return subject === this.#last;
  }
}

export class ChangeFilters {
  /** Weak, because only subscribers keep a filter, and nothing tells when the last one has gone. */
  readonly #filters = new Map<string, WeakRef<ChangeFilter>>();
  #pruneAt = 64;
  #lastId = 0;

  of(join: Join): ChangeFilter {
    const name = JSON.stringify([join.event, join.patterns, join.scopes]);
    const known = this.#filters.get(name)?.deref();
    if (known) return known;
    if (this.#filters.size >= this.#pruneAt) this.#prune();
    const filter = new ChangeFilter(++this.#lastId, join);
    this.#filters.set(name, new WeakRef(filter));
    return filter;
  }

  #prune(): void {
    for (const [name, filter] of this.#filters) if (!filter.deref()) this.#filters.delete(name);
    this.#pruneAt = 2 * this.#filters.size + 64;
  }
}

function compile({ namespace, key, event, patterns, scopes }: Join): (subject: Subject) => boolean {
  const wanted = (subject: Subject) => event === "all" || event === subject.event;
  // A subscriber of one key was authorized to read it before it joined.
  if (key !== ALL_KEYS) return wanted;
  const globs = [...new Set(patterns)].map(compileGlob);
  const readable = compileScopes(scopes);
  return (subject) =>
    wanted(subject) && globs.some((matches) => matches(subject.key)) && readable(namespacedKey(namespace, subject.key));
}
