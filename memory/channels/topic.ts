// What a channel is about, and the name by which its one Durable Object is found.

/** One key, or every key of a namespace if `key` is `ALL_KEYS`. */
export type Topic = { readonly namespace: string; readonly key: string };

/** Distinct topics have distinct names, whatever characters they contain. */
export function channelName({ namespace, key }: Topic): string {
  return JSON.stringify([namespace, key]);
}
