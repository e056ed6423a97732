// Reads the settings of relays. They stand in config/, because `npm start` checks them without the Worker's source.

import { LIMITS } from "./limits.ts";

/** Sockets that stay on a channel: with more, sending a change through a relay is faster than through one object. */
const RELAY_KEEP = 2_000;
const RELAY_LEAF = 2_000;

/** The location hints of Cloudflare. See https://developers.cloudflare.com/durable-objects/reference/data-location/. */
const HINTS = ["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"];

type Settings = {
  readonly REGION?: string | undefined;
  readonly RELAY_KEEP?: string | undefined;
  readonly RELAY_LEAF?: string | undefined;
};

export type RelaySettings = {
  /** A location hint, `auto` for that of each request, or `undefined` for no relays. */
  readonly region: string | undefined;
  /** Sockets with which the channel sends newcomers to a relay. */
  readonly keep: number;
  /** Sockets with which a relay sends newcomers to another. */
  readonly leaf: number;
};

/** @throws {Error} with one sentence for the operator */
export function relaySettings({ REGION, RELAY_KEEP: keep, RELAY_LEAF: leaf }: Settings): RelaySettings {
  // Empty counts as not set.
  const region = REGION || undefined;
  if (region !== undefined && region !== "auto" && !HINTS.includes(region)) {
    throw new Error(`REGION must be "auto" or one of ${HINTS.join(", ")}.`);
  }
  return { region, keep: count("RELAY_KEEP", keep, RELAY_KEEP, 0), leaf: count("RELAY_LEAF", leaf, RELAY_LEAF, 1) };
}

function count(name: string, setting: string | undefined, otherwise: number, least: number): number {
  if (!setting) return otherwise;
  const number = Number(setting);
  if (!/^\d+$/.test(setting) || number < least || number > LIMITS.maxSubscribers) {
    throw new Error(`${name} must be a whole number from ${least} to ${LIMITS.maxSubscribers}.`);
  }
  return number;
}
