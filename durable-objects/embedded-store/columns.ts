// Columns that several tables share, as what they mean: times are whole microseconds, and no name is `NULL`.

import type { Details } from "../../sdk/protocol.ts";

/** 0 and `null` are for none. */
export type DetailColumns = {
  readonly created_us: number | null;
  readonly expires_us: number | null;
  readonly agent: string | null;
};

/** Leaves out what there is nothing to say about, so that it takes no room in a response. */
export function details({ created_us, expires_us, agent }: DetailColumns): Details {
  return {
    ...(created_us && { created: seconds(created_us) }),
    ...(expires_us && { expires: seconds(expires_us) }),
    ...(agent !== null && { by: agent }),
  };
}

export function seconds(us: number): number {
  return us / 1e6;
}

export function microseconds(seconds: number): number {
  return Math.round(seconds * 1e6);
}
