// How much a test does: little in `npm test`, much in `npm run test:long`, which runs the tests with the tag "long".

import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    long: boolean;
    /** The seed of every property test, from PROPERTY_SEED. A new one for each test by default. */
    propertySeed: number | undefined;
  }
}

export const isLong = inject("long");

/** Runs of a property test: `usual`, and ten times as many in a long run. */
export const runs = (usual: number) => (isLong ? 10 * usual : usual);
