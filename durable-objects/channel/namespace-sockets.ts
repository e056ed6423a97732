// Counts the sockets of each namespace in this isolate, over all its channels. Where all objects share one process, too many of them
// would take its file descriptors and memory from everybody else. Each channel corrects its number when it wakes for its alarm.

type Channel = { readonly namespace: string; readonly sockets: number };

const byChannel = new Map<string, Channel>();
const byNamespace = new Map<string, number>();

export function setSockets(channel: string, namespace: string, sockets: number): void {
  const { sockets: before = 0 } = byChannel.get(channel) ?? {};
  const now = Math.max(0, sockets);
  if (now > 0) byChannel.set(channel, { namespace, sockets: now });
  else byChannel.delete(channel);
  const sum = socketsOf(namespace) + now - before;
  if (sum > 0) byNamespace.set(namespace, sum);
  else byNamespace.delete(namespace);
}

export function addSockets(channel: string, namespace: string, more: 1 | -1): void {
  setSockets(channel, namespace, (byChannel.get(channel)?.sockets ?? 0) + more);
}

export function socketsOf(namespace: string): number {
  return byNamespace.get(namespace) ?? 0;
}
