// Whether the API key may read the keys of a subscription. memX just does not send the changes that it must not read.

import { ForbiddenError } from "./errors.ts";
import { compileGlob } from "./glob.ts";
import { withSignal } from "./signals.ts";
import type { WhoAmI } from "./types.ts";

export class AccessCheck {
  readonly #whoami: () => Promise<WhoAmI>;
  /** The request under way. All subscriptions that begin meanwhile share it, so it has the signal of none. */
  #request: Promise<WhoAmI> | undefined;

  constructor(whoami: () => Promise<WhoAmI>) {
    this.#whoami = whoami;
  }

  /** @throws {ForbiddenError} for the first key that the API key must not read */
  async check(keys: Iterable<string>, signal: AbortSignal): Promise<void> {
    this.#request ??= this.#whoami().finally(() => {
      this.#request = undefined;
    });
    const { scopes } = await withSignal(this.#request, signal);
    const globs = scopes.read.map(compileGlob);
    for (const key of keys) {
      if (globs.some((glob) => glob(key))) continue;
      throw new ForbiddenError("forbidden", `The API key must not read the key ${JSON.stringify(key)}.`, { key });
    }
  }
}
