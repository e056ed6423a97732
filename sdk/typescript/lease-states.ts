// The states of a lease, the events that change them, and the actions that follow. The clients of all languages share this
// table, and sdk/lease-table.json has samples of it. lease-machine.ts is the table in code.
//
// | state      | under way            | what memX may store           | what the holder may believe     |
// | ---------- | -------------------- | ----------------------------- | ------------------------------- |
// | claiming   | the claim            | the claim, if a try arrived   | nothing                         |
// | waiting    | nothing              | the write of another client   | nothing                         |
// | confirming | a renewal            | the claim, if it did not end  | nothing                         |
// | held       | nothing              | the last write of the lease   | the key is ours until `endsAt`  |
// | renewing   | a renewal            | that, or the renewal          | the key is ours until `endsAt`  |
// | releasing  | the deletion         | a write of the lease          | the lease is over               |
// | tracing    | the claim once more  | the claim, if a try arrived   | there is no lease               |
// | over       | nothing              | nothing, or what will expire  | the lease is over, or never was |
//
// | state                | event                     | next state                                                          |
// | -------------------- | ------------------------- | ------------------------------------------------------------------- |
// | claiming             | applied                   | held; confirming if the response does not prove that the key is ours |
// |                      | conflict                  | confirming if it shows our value; else waiting if asked to, or over |
// |                      | failed                    | claiming: another try                                               |
// |                      | failed, too often; cancel | tracing; over if no try can have been applied                       |
// |                      | refused, broken           | over                                                                |
// | waiting              | free                      | claiming                                                            |
// |                      | cancel                    | over; tracing if a try of the claim got no response                 |
// |                      | watch_failed              | over                                                                |
// | confirming           | applied                   | held; if it proves nothing, confirming again, or releasing          |
// |                      | conflict                  | as applied if it shows our value; else claiming if asked to wait, or over |
// |                      | failed                    | confirming: another try                                             |
// |                      | failed, too often; cancel | releasing                                                           |
// |                      | refused, broken           | releasing                                                           |
// | held                 | timer, after ttl / 3      | renewing                                                            |
// |                      | suspended                 | renewing, in doubt                                                  |
// | renewing             | applied                   | held; if it proves nothing, renewing again                          |
// |                      | conflict                  | as applied if it shows our value; else over: lost                   |
// |                      | failed; timer             | renewing: another try                                               |
// |                      | refused, broken           | releasing: lost                                                     |
// | held, renewing       | timer, at `endsAt`        | releasing: lost. renewing, in doubt, if the timer is very late      |
// |                      | release                   | releasing                                                           |
// |                      | abandon                   | over                                                                |
// | releasing            | applied                   | over; after a renewal, releasing: the deletion of its revision      |
// |                      | conflict                  | releasing if the key is ours under another revision; else over      |
// |                      | failed; timer             | releasing: another try                                              |
// |                      | timer, at `endsAt`        | releasing: the call of `release` is done, the rest is background    |
// |                      | refused, broken           | over                                                                |
// | tracing              | applied                   | releasing                                                           |
// |                      | conflict                  | releasing if it shows our value; else over                          |
// |                      | failed                    | tracing: another try                                                |
// |                      | refused, broken           | over                                                                |
// | releasing, tracing   | timer, `ttl` after the last write that may have been applied | over                             |
//
// **Tries.** A claim, a renewal and a deletion each keep their Idempotency-Key over all their tries. memX remembers it for
// 5 minutes after it applied the write, and decides a refused write anew.
//
// **Validity.** memX applies a write no earlier than its first try was sent. So `endsAt` is 99 % of `ttl` after that moment:
// the key expires later, even if the clock of memX runs 1 % faster. A response proves that the key is ours only before
// `endsAt`. The response to a claim proves nothing if memX may repeat the response to an earlier one: if the caller chose
// the Idempotency-Key, or if a try that got no response may have arrived after memX had refused a later one. Then a renewal
// proves that the key was ours all along, because memX applies it only to the claim's own revision.
//
// **Our value.** Each lease writes a value that no other lease writes, so a conflict that shows this value shows our own
// write. A value that the caller chose proves nothing, because another lease may have it, too. Then only the
// Idempotency-Key tells.
//
// **Doubt.** While a process is suspended, its timers do not run, and perhaps its clock does not either. A wall clock that
// runs ahead of the other one, or a timer that is very late, tells of it; a client looks every 5 seconds, or every tenth of
// `ttl` if that is less. Then the lease is in doubt: a renewal that begins after the suspension decides. Until it does, for
// at most 10 seconds, or a third of `ttl` if that is less, the holder believes what it believed before. A response to a
// request from before the suspension proves nothing.

/** How to make a lease. Times are in milliseconds. */
export type LeaseConfig = {
  readonly ttlMs: number;
  /** Whether to wait until the key is free. */
  readonly wait: boolean;
  /** Tries of a claim after the first. */
  readonly retries: number;
  /** The value that the lease writes. */
  readonly value: unknown;
  /** The claim, if the caller chose its Idempotency-Key, `id`. Another process may have sent it before. */
  readonly claim?: { readonly id: string; readonly value: unknown } | undefined;
  /** Whether no other lease writes `value`, and none writes `claim.value` under another `id`. Then they are strings. */
  readonly isUnique: boolean;
};

/** What the machine needs besides events. */
export type LeaseSource = {
  /** Returns a new Idempotency-Key. */
  readonly newId: () => string;
  /** Returns a number from 0 to 1, for the pause between two tries. */
  readonly random: () => number;
};

/** What the key holds: `null` for nothing, `undefined` if the caller must not know. */
export type Current = { readonly value?: unknown; readonly revision: number } | null | undefined;

export type LeaseEvent =
  | { readonly event: "start" | "free" | "timer" | "suspended" | "cancel" | "release" | "abandon" }
  /** The subscription that waits for the key ended. */
  | { readonly event: "watch_failed"; readonly error: unknown }
  | { readonly event: "applied"; readonly request: number; readonly revision: number }
  | {
      readonly event: "conflict";
      readonly request: number;
      readonly current?: Current;
      readonly error: unknown;
    }
  /** Another try may succeed. memX may have applied this one, unless it says that it did not (`isApplied: false`). */
  | {
      readonly event: "failed";
      readonly request: number;
      readonly retryAfterMs?: number | undefined;
      readonly isApplied?: false;
      readonly error: unknown;
    }
  /** memX refuses the request for good; or the client has a defect, which must not go unseen. */
  | { readonly event: "refused" | "broken"; readonly request: number; readonly error: unknown };

export type LeaseAction =
  /** Sends one try of a request. */
  | ({ readonly do: "send"; readonly request: number } & LeaseRequest)
  /** Stops the try that is under way: the machine ignores what comes of it. */
  | { readonly do: "stop" }
  /** Subscribes to the key: `free` must follow once the subscription is live, and whenever the key becomes free. */
  | { readonly do: "watch" }
  /** The lease begins, or it does not. */
  | { readonly do: "resolve"; readonly token: number }
  | { readonly do: "reject"; readonly because: LeaseFailure; readonly error?: unknown }
  /** Aborts the signal of the lease. */
  | { readonly do: "end"; readonly because: LeaseEnd; readonly error?: unknown }
  /** Settles the call of `release`. */
  | { readonly do: "released" }
  | { readonly do: "release_failed"; readonly error: unknown }
  /** Reports a defect for which no caller waits. */
  | { readonly do: "throw"; readonly error: unknown };

/** Why there is no lease. `late`: the claim ended before memX could confirm it. */
export type LeaseFailure = "cancelled" | "late" | "error";

/** Why a lease ended. After `released` and `abandoned`, the caller ended it; after the others, it is lost. */
export type LeaseEnd = "released" | "abandoned" | "expired" | "conflict" | "refused" | "broken";

export type LeaseRequest = {
  readonly call: "claim" | "renew" | "release";
  /** The Idempotency-Key: the same in every try. */
  readonly id: string;
  readonly expect: number;
  /** Absent from a deletion. */
  readonly value?: unknown;
};

export type LeaseState =
  | "new"
  | "claiming"
  | "waiting"
  | "confirming"
  | "held"
  | "renewing"
  | "releasing"
  | "tracing"
  | "over";
