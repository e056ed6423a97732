// A change and the texts that its subscribers receive, each encoded at most once for all of them.

import { type Change, encodeEvent } from "../../sdk/protocol.ts";

export class EncodedChange {
  readonly change: Change;
  #text: string | undefined;
  #plainText: string | undefined;

  constructor(change: Change) {
    this.change = change;
  }

  /**
   * Every value has a `created`, so only memX clients get it. To a plain client a change looks as it always has, unless
   * its writer gave a time to live or a name.
   */
  textFor({ control }: { readonly control: boolean }): string {
    if (control || this.change.created === undefined) {
      this.#text ??= encodeEvent(this.change);
      return this.#text;
    }
    this.#plainText ??= encodeEvent({ ...this.change, created: undefined });
    return this.#plainText;
  }
}
