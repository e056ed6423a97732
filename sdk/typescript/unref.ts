// What must not keep a process alive. Only Node's timers and sockets do, and only there they say so.

import { CALLS_SUBPROTOCOL } from "../protocol.ts";

export function unref(timer: unknown): void {
  (timer as { unref?: () => void }).unref?.();
}

type SendHeaders = { readonly headers: string; readonly socket: { unref(): void } };
type Channels = { subscribe(name: string, listener: (message: never) => void): void };
type NodeProcess = { getBuiltinModule?: (name: string) => unknown };

let watching = false;

/**
 * From now on, no socket of calls that Node's own `WebSocket` opens keeps its process alive. A `WebSocket` has no `unref`, but
 * Node tells which connection a handshake uses: https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
 */
export function unrefCallSockets(): void {
  if (watching) return;
  watching = true;
  const { process } = globalThis as { process?: NodeProcess };
  const channels = process?.getBuiltinModule?.("node:diagnostics_channel") as Channels | undefined;
  channels?.subscribe("undici:client:sendHeaders", ({ headers, socket }: SendHeaders) => {
    if (headers.includes(`sec-websocket-protocol: ${CALLS_SUBPROTOCOL}`)) socket.unref();
  });
}
