import { EVENT_FILTERS } from "../protocol.ts";
import { InvalidRequestError } from "./errors.ts";
import { refuseUnknown } from "./refuse-unknown.ts";
import type { SubscribeOptions } from "./types.ts";

/** @throws {InvalidRequestError} for options that memX would refuse later, or that one another would override */
export function checkSubscribeOptions(options: SubscribeOptions): void {
  const { event, snapshot, since, buffer, onStatus, onReset, signal, ...unknown } = options;
  refuseUnknown(unknown);
  const isCount = (count: number | undefined, least: number) =>
    count === undefined || (Number.isSafeInteger(count) && count >= least);
  const fault =
    (snapshot && since && "`snapshot` and `since` exclude each other.") ||
    (!isCount(since, 0) && "`since` must be a revision: a whole number of at least 0.") ||
    (event !== undefined && !EVENT_FILTERS.includes(event) && `\`event\` must be ${EVENT_FILTERS.join(", ")}.`) ||
    (!isCount(buffer, 1) && "`buffer` must be a whole number of at least 1.");
  if (fault) throw new InvalidRequestError("invalid_request", fault);
}
