// The name of a channel's watch at the store: `<owner>.<nonce>`, or `<process>:<owner>.<nonce>` in a process with a name. The
// owner is the channel, for as long as it stores anything; the nonce is the registration.

/** @param earlier the last token of the same channel, if it had one */
export function watchToken(process: string | undefined, earlier: string | undefined): string {
  const owner = /([^:.]+)\./.exec(earlier ?? "")?.[1] ?? crypto.randomUUID();
  return `${process ? `${process}:` : ""}${owner}.${crypto.randomUUID()}`;
}
