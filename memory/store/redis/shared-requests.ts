// Lets concurrent calls of an isolate share requests to Redis. A call that comes while a request is in flight waits for its
// end, and goes out with all that came meanwhile. A call that is alone is sent at once.

import { waitUntil } from "cloudflare:workers";
import { LIMITS } from "../../../config/limits.ts";
import type { StoreTimeouts } from "../../../config/store-settings.ts";
import { storeUnavailable } from "../../errors.ts";
import type { Script, ScriptReply, ScriptRun } from "./script.ts";

/** Requests in flight before a call waits. */
const MAX_FLIGHTS = 1;

/** Characters of arguments, and of what replies may quote, in one request. */
const MAX_WEIGHT = 8 * 1024 * 1024;

type Waiting = {
  readonly run: ScriptRun;
  readonly atMs: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (cause: unknown) => void;
};

export type SharedRequests = <T>(script: Script<T>, keys: readonly string[], args: readonly string[]) => Promise<T>;

/**
 * @param sendAll sends several scripts in one request
 * @param toError makes of what Redis sent for one of them what its caller should see
 */
export function sharedRequests(
  { requestMs, lastAttemptMs }: StoreTimeouts,
  sendAll: (runs: readonly ScriptRun[]) => Promise<readonly ScriptReply[]>,
  toError: (message: string) => Error,
): SharedRequests {
  const waiting: Waiting[] = [];
  /** When each request in flight must have ended. The platform may end the invocation that waits for it. */
  const flights = new Set<{ readonly endMs: number }>();

  const isFull = () => {
    if (flights.size < MAX_FLIGHTS) return false;
    const now = Date.now();
    for (const flight of flights) if (flight.endMs < now) flights.delete(flight);
    return flights.size >= MAX_FLIGHTS;
  };

  const depart = () => {
    const group = takeGroup(waiting, Date.now() - lastAttemptMs);
    if (group.length === 0) return;
    const flight = { endMs: Date.now() + 3 * requestMs };
    flights.add(flight);
    const sent = send(group).finally(() => {
      flights.delete(flight);
      if (!isFull()) depart();
    });
    // Others wait for it, even if the client of this call has gone.
    waitUntil(sent);
  };

  const send = async (group: readonly Waiting[]) => {
    const [first] = group;
    try {
      if (group.length === 1 && first) return first.resolve(await first.run.script(first.run.keys, first.run.args));
      const replies = await sendAll(group.map(({ run }) => run));
      for (const [n, { resolve, reject }] of group.entries()) {
        const reply = replies[n];
        if (!reply) reject(new Error("Redis sent fewer replies than there were commands."));
        else if (reply.error) reject(toError(reply.error));
        else resolve(reply.result);
      }
    } catch (cause) {
      for (const { reject } of group) reject(cause);
    }
  };

  return <T>(script: Script<T>, keys: readonly string[], args: readonly string[]) =>
    new Promise<T>((resolve, reject) => {
      const run = { script: script as Script<unknown>, keys, args };
      waiting.push({ run, atMs: Date.now(), resolve: resolve as Waiting["resolve"], reject });
      if (!isFull()) depart();
    });
}

/** Takes calls from the start of the queue, as many as may go into one request. Rejects those that have waited too long. */
function takeGroup(waiting: Waiting[], lastMs: number): Waiting[] {
  const group: Waiting[] = [];
  let weight = 0;
  for (let next = waiting[0]; next; next = waiting[0]) {
    if (next.atMs < lastMs) {
      next.reject(storeUnavailable("the store was busy for too long"));
    } else {
      // A reply may have the current value.
      weight += LIMITS.maxValueBytes;
      for (const arg of next.run.args) weight += arg.length;
      if (group.length > 0 && weight > MAX_WEIGHT) break;
      group.push(next);
    }
    waiting.shift();
  }
  return group;
}
