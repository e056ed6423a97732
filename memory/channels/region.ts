// Which region a caller is in, for the relays of a channel with many subscribers.

import type { RelaySettings } from "../../config/relay-settings.ts";

/** Degrees of longitude at which a continent is split. */
const [AMERICA, EUROPE, ASIA] = [-100, 15, 60];

/** @returns a location hint of Cloudflare; `undefined` if the channel has no relays for this caller */
export function regionOf(setting: RelaySettings["region"], cf: unknown): string | undefined {
  if (setting !== "auto") return setting;
  const { continent, longitude } = (cf ?? {}) as { readonly continent?: string; readonly longitude?: string };
  const isWestOf = (degrees: number) => Number(longitude ?? 0) < degrees;
  switch (continent) {
    case "NA":
      return isWestOf(AMERICA) ? "wnam" : "enam";
    case "SA":
      return "sam";
    case "EU":
      return isWestOf(EUROPE) ? "weur" : "eeur";
    case "AF":
      return "afr";
    case "AS":
      return isWestOf(ASIA) ? "me" : "apac";
    case "OC":
      return "oc";
    default:
      return undefined;
  }
}
