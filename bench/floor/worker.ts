// The least that a Worker and a Durable Object can do on this runtime, as a baseline for memX. It shares no code with
// memX.

import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";

type Bindings = {
  readonly FLOOR: DurableObjectNamespace<Floor>;
  readonly BRIDGE_URL: string;
  readonly BRIDGE_TOKEN: string;
  readonly SCRIPT_SHA: string;
};

const app = new Hono<{ Bindings: Bindings }>();

app.post("/call", async (c) => {
  await c.req.json();
  await c.env.FLOOR.getByName("floor").nothing();
  return c.json({ ok: true });
});

app.post("/evalsha", async (c) => {
  await c.req.json();
  const response = await fetch(c.env.BRIDGE_URL, {
    method: "POST",
    headers: { authorization: `Bearer ${c.env.BRIDGE_TOKEN}`, "content-type": "application/json" },
    // Not EVALSHA: for a script that it does not know, the bridge reads memX's scripts anew.
    body: JSON.stringify(["EVALSHA_RO", c.env.SCRIPT_SHA, "0"]),
  });
  const { result } = await response.json<{ result: string }>();
  return c.json({ ok: result === "constant" });
});

app.post("/broadcast", async (c) => {
  await c.env.FLOOR.getByName(c.req.query("name") ?? "").broadcast(await c.req.text());
  return c.json({ ok: true });
});

app.get("/subscribe", (c) => c.env.FLOOR.getByName(c.req.query("name") ?? "").fetch(c.req.raw));

export class Floor extends DurableObject<Bindings> {
  nothing(): void {}

  broadcast(text: string): void {
    for (const socket of this.ctx.getWebSockets()) socket.send(text);
  }

  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  override webSocketClose(): void {}
}

export default app;
