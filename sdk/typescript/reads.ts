// How new the state must be that reads answer from: the newest, one that is as new as all that this client has seen, or one of
// a certain age. One order of changes in a memory makes one number enough for that.

import { ERROR_STATUS, REVISION_HEADER } from "../protocol.ts";
import type { Call } from "./calls.ts";
import { InvalidRequestError } from "./errors.ts";

/** `strong`: the newest state. `session`: one that is as new as all that the client has seen. `maxAge`: in seconds. */
export type ReadsOption = "strong" | "session" | { readonly maxAge: number };

/** Calls of which the option says how new the state must be. */
const READS = new Set(["/get", "/read", "/keys"]);

/** The status of `revision_ahead`, which no other error has. */
const [AHEAD] = ERROR_STATUS.revision_ahead;

const MAX_AGE_SECONDS = 99_999_999;

/** @throws {TypeError} if there is no such option */
export function readReads(reads: ReadsOption = "strong"): ReadsOption {
  if (reads === "strong" || reads === "session") return reads;
  const { maxAge, ...unknown } = Object(reads) as { maxAge?: unknown };
  const isAge = typeof maxAge === "number" && maxAge >= 0 && maxAge <= MAX_AGE_SECONDS;
  if (isAge && Object.keys(unknown).length === 0) return { maxAge };
  throw new TypeError(`\`reads\` must be "strong", "session", or { maxAge: seconds }, not ${JSON.stringify(reads)}.`);
}

/** What a read asks for besides, as members of its query or body. */
type Freshness = { readonly min_revision?: number; readonly max_age?: number };

export class Reads {
  readonly #option: ReadsOption;
  #revision = 0;

  constructor(option: ReadsOption) {
    this.#option = option;
  }

  /** The highest revision that the client has seen. */
  get revision(): number {
    return this.#revision;
  }

  /** @throws {InvalidRequestError} if it is no revision */
  seen(revision: number): void {
    checkRevision(revision);
    this.#revision = Math.max(this.#revision, revision);
  }

  /** Returns the call with how new its answer must be. */
  freshen(call: Call): Call {
    const { path, query, body } = call;
    if (!READS.has(path)) return call;
    const freshness = this.#freshness();
    return { ...call, ...(body ? { body: { ...body, ...freshness } } : { query: { ...query, ...freshness } }) };
  }

  #freshness(): Freshness {
    if (typeof this.#option === "object") return { max_age: this.#option.maxAge };
    return this.#option === "session" && this.#revision > 0 ? { min_revision: this.#revision } : {};
  }

  /**
   * Notes what a reply or an event says. After a reply that the memory has not reached what the client has seen, because it has
   * lost it, the client begins again at the revision of the memory, and so the next read works.
   */
  note({ revision, status }: { readonly revision?: number | undefined; readonly status?: number }): void {
    if (revision !== undefined) this.#revision = status === AHEAD ? revision : Math.max(this.#revision, revision);
  }
}

/** @throws {InvalidRequestError} if it is no revision */
export function checkRevision(revision: number): void {
  if (Number.isSafeInteger(revision) && revision >= 0) return;
  throw new InvalidRequestError("invalid_request", "A revision must be a whole number of at least 0.");
}

/** Reads the header `memx-revision`. */
export function readRevision(headers: Headers): number | undefined {
  const header = headers.get(REVISION_HEADER);
  return header !== null && /^\d{1,16}$/.test(header) ? Number(header) : undefined;
}
