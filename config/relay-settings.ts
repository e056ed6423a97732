// Reads how many subscribers a channel keeps, and how many a relay takes.

/** Sockets that stay on a channel: with more, sending a change through a relay is faster than through one object. */
const RELAY_KEEP = 2_000;
const RELAY_LEAF = 2_000;

type Settings = { readonly RELAY_KEEP?: string; readonly RELAY_LEAF?: string };

/** Sockets with which the channel sends newcomers to a relay, and a relay to another. */
export function relayRoom(settings: Settings): { readonly keep: number; readonly leaf: number } {
  return { keep: count(settings.RELAY_KEEP, RELAY_KEEP), leaf: count(settings.RELAY_LEAF, RELAY_LEAF) };
}

function count(text: string | undefined, otherwise: number): number {
  return text && /^\d{1,5}$/.test(text) ? Number(text) : otherwise;
}
