// How much a test does: little in `npm test`, much in `npm run test:long`, which runs the tests with the tag "long".

import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    long: boolean;
    /** The part of a long run's amounts, from LONG_SHARE. 1 by default. */
    longShare: number;
    /** The seed of every property test, from PROPERTY_SEED. A new one for each test by default. */
    propertySeed: number | undefined;
  }
}

export const isLong = inject("long");

/** `usual`, or in a long run `long`, of which LONG_SHARE may ask for a part. */
export const amount = (usual: number, long: number) =>
  isLong ? Math.max(usual, Math.ceil(long * inject("longShare"))) : usual;

/** Runs of a property test: `usual`, and ten times as many in a long run. */
export const runs = (usual: number) => amount(usual, 10 * usual);
