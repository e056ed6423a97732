// Reads changes without a subscription: `GET /changes` with `wait=0`.

import type { ChangeEvent } from "../../../sdk/typescript/index.ts";
import { type Exact, exactCodec } from "../json/codec.ts";

type Wanted = { readonly pattern: string; readonly event: "value" | "schema" | "all"; readonly since: number };

export type Page = {
  readonly changes: readonly ChangeEvent<Exact>[];
  readonly revision: number;
  /** The log no longer reaches back, so `changes` are the current entries. */
  readonly reset: boolean;
};

/** @throws {Error} with one sentence for the person */
export type ChangesReader = (wanted: Wanted) => Promise<Page>;

export function changesReader(apiKey: string): ChangesReader {
  return async ({ pattern, event, since }) => {
    const query = new URLSearchParams({ pattern, event, since: String(since), wait: "0" });
    const response = await fetch(`/changes?${query}`, { headers: { "x-api-key": apiKey } });
    const body = exactCodec.parse(await response.text()) as Page & { readonly detail?: string };
    if (!response.ok) throw new Error(body.detail ?? `memX responds with ${response.status}.`);
    return body;
  };
}

/** The longest key that a pattern can name. No such key is likely, so the pages are empty. */
const NOTHING = `${"?".repeat(500)}[!?]`;

/** The earliest revision, at most `reach` before `head`, from which the log still has everything. */
export async function findLogStart(read: ChangesReader, head: number, reach: number): Promise<number> {
  let [low, high] = [Math.max(1, head - reach), head];
  const reaches = async (since: number) => !(await read({ pattern: NOTHING, event: "value", since })).reset;
  if (await reaches(low)) return low;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await reaches(middle)) high = middle;
    else low = middle;
  }
  return high;
}
