// A server that is not memX: it takes WebSockets and misbehaves on them, and responds to HTTP with a page.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { onTestFinished } from "vitest";

export type RudeServer = { readonly url: string; readonly handshakes: () => number };

/** `misbehave` gets each socket after its handshake. Nothing it sends is masked, as from a server. */
export async function startRudeServer(misbehave: (socket: Duplex) => void, page?: object): Promise<RudeServer> {
  let handshakes = 0;
  const sockets = new Set<Duplex>();
  const [type, text] = page ? ["application/json", JSON.stringify(page)] : ["text/html", "<html>"];
  const server = createServer((_, response) => response.writeHead(200, { "content-type": type }).end(text));
  server.on("upgrade", (request, socket) => {
    handshakes++;
    sockets.add(socket);
    socket.on("error", () => {
      // The client has left.
    });
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: memx.v1\r\n\r\n`,
    );
    // Node does not end before its socket has.
    socket.on("data", (bytes) => bytes[0] === 0x88 && socket.end(frame(8, new Uint8Array([3, 232]))));
    misbehave(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, handshakes: () => handshakes };
}

/** A frame of less than 126 bytes (RFC 6455 §5.2). */
export function frame(opcode: number, payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([0x80 | opcode, bytes.length]), bytes]);
}
