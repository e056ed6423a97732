// What a channel is about, and the name by which its one Durable Object, or that of one of its relays, is found.

/** One key, or every key of a namespace if `key` is `ALL_KEYS`. */
export type Topic = { readonly namespace: string; readonly key: string };

/** A relay of a topic's channel: the head of a region, index 0, or one of its leaves. */
export type Place = { readonly region: string; readonly index: number };

/** Distinct topics have distinct names, whatever characters they contain. */
export function channelName({ namespace, key }: Topic): string {
  return JSON.stringify([namespace, key]);
}

/** The name of the channel, or of a relay. */
export function nodeName(topic: Topic, place: Place | undefined): string {
  return place ? JSON.stringify([topic.namespace, topic.key, place.region, place.index]) : channelName(topic);
}

/** Where a relay hears of changes: a leaf from the head of its region, a head from the channel. Never more levels. */
export function parentOf({ region, index }: Place): Place | undefined {
  return index > 0 ? { region, index: 0 } : undefined;
}
