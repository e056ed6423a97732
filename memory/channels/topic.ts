// The name of a key's channel, from which its one object follows.

/** No two pairs have the same name, whatever characters are in them. */
export function channelName(namespace: string, key: string): string {
  return JSON.stringify([namespace, key]);
}
