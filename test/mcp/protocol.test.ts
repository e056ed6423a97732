// POST /mcp as a protocol: its revisions, what it advertises, what it refuses, and which pages may call it.

import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { version } from "../../package.json";
import { INSTRUCTIONS } from "../../sdk/tools.ts";
import { checkOrigin } from "../../worker/mcp/check-origin.ts";
import { problem, request } from "../support/client.ts";
import { ERAS, mcpRequest, readMessage, result, rpc, sendMcp } from "../support/mcp.ts";

const CAPABILITIES = { tools: {}, resources: {}, prompts: {} };

describe("the handshake", () => {
  it.each(["2025-06-18", "2025-11-25"])("with a client of %s agrees on its revision", async (protocolVersion) => {
    const params = { protocolVersion, capabilities: {}, clientInfo: { name: "test", version: "1" } };
    expect(await result("initialize", params)).toEqual({
      protocolVersion,
      capabilities: CAPABILITIES,
      serverInfo: { name: "memx", title: "memX", version },
      instructions: INSTRUCTIONS,
    });
  });

  it("offers an older or newer client the newest revision that has a handshake", async () => {
    const params = { protocolVersion: "1999-01-01", capabilities: {}, clientInfo: { name: "test", version: "1" } };
    expect((await result("initialize", params)).protocolVersion).toBe("2025-11-25");
  });

  it("is a discovery for a client of 2026-07-28", async () => {
    expect(await result("server/discover", {}, { era: "2026-07-28" })).toMatchObject({
      supportedVersions: ["2026-07-28"],
      capabilities: CAPABILITIES,
      instructions: INSTRUCTIONS,
    });
  });

  it("accepts a notification without a body in the response", async () => {
    const response = await sendMcp('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    expect([response.status, await response.text()]).toEqual([202, ""]);
  });

  it("leaves no session behind", async () => {
    const { body, options } = mcpRequest("ping", "{}");
    const response = await sendMcp(body, options);
    expect(response.headers.get("mcp-session-id")).toBeNull();
    expect((await readMessage(response)).message).toMatchObject({ id: 1, result: {} });
  });
});

describe("a request", () => {
  it.each(["GET", "DELETE", "PUT"])("by %s is refused with 405", async (method) => {
    const response = await request(method, "/mcp", { headers: { accept: "text/event-stream" } });
    expect(response.headers.get("allow")).toBe("POST");
    await problem(response, "method_not_allowed");
  });

  it.each(ERAS)("of %s gets the headers of every response", async (era) => {
    const { body, options } = mcpRequest("tools/list", "{}", { era, headers: { "x-request-id": "mine" } });
    const { headers } = await sendMcp(body, options);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-request-id")).toBe("mine");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("access-control-allow-origin")).toBe("*");
  });

  it("of another content type is refused", async () => {
    for (const type of [null, "text/plain", "application/xml"]) {
      await problem(await sendMcp("{}", { headers: { "content-type": type } }), "unsupported_media_type");
    }
  });

  it("that is too large is refused", async () => {
    await problem(await sendMcp(" ".repeat(LIMITS.maxBodyBytes + 1)), "too_large");
  });

  it.each([
    ["is no JSON", "{"],
    ["is empty", ""],
    ["has two members of one name", '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}'],
    ["has a lone surrogate", '{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}'],
    ["has a number beyond a double", '{"jsonrpc":"2.0","id":1e400,"method":"ping"}'],
    ["is too deep", `${"[".repeat(68)}${"]".repeat(68)}`],
    ["is not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ])("that %s is a parse error", async (_, body) => {
    const response = await sendMcp(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ jsonrpc: "2.0", id: null, error: { code: -32700 } });
  });

  it.each(["[]", '[{"jsonrpc":"2.0","id":1,"method":"ping"}]'])("with a batch is refused: %s", async (body) => {
    const response = await sendMcp(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ id: null, error: { code: -32600 } });
  });

  it.each(["null", "1", '"text"', "{}", '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":1,"method":5}'])(
    "that is no message is refused: %s",
    async (body) => {
      const response = await sendMcp(body);
      expect(response.status).toBe(400);
      expect((await response.json()) as object).toMatchObject({ error: { code: expect.any(Number) } });
    },
  );

  it.each(ERAS)("of %s for a method that memX does not have gets an error", async (era) => {
    for (const method of ["no/such", "completion/complete", "logging/setLevel", "resources/subscribe"]) {
      const { message } = await rpc(method, {}, { era });
      expect(message, method).toMatchObject({ id: 1, error: { code: -32601 } });
    }
  });

  it.each(ERAS)("of %s to listen to resources is refused, whichever they are", async (era) => {
    const params = { notifications: { resourceSubscriptions: ["memx://kv/a"], toolsListChanged: true } };
    const { status, message } = await rpc("subscriptions/listen", params, { era });
    expect(status).toBe(404);
    expect(message).toEqual({ jsonrpc: "2.0", id: 1, error: { code: -32601, message: "Method not found" } });
  });

  it("to listen is refused in any spelling of the method", async () => {
    const response = await sendMcp('{"jsonrpc":"2.0","id":"a","method":"subscriptions\\/listen"}');
    expect([response.status, await response.json()]).toMatchObject([404, { id: "a", error: { code: -32601 } }]);
  });

  it("of a revision that memX does not know names those that it knows", async () => {
    const { body, options } = mcpRequest("tools/list", "{}", { era: "2026-07-28" });
    const later = body.replace('"2026-07-28"', '"2999-01-01"');
    const response = await sendMcp(later, {
      ...options,
      headers: { ...options.headers, "mcp-protocol-version": "2999-01-01" },
    });
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain("2026-07-28");
  });
});

describe("a page", () => {
  const visit = (url: string, origin: string, settings: object = {}) => {
    checkOrigin(new Request(url, { headers: { origin } }), settings as Env);
    return true;
  };
  const refused = (url: string, origin: string, settings: object = {}) => {
    expect(() => visit(url, origin, settings), origin).toThrow("may not call /mcp");
  };

  it("of another origin is refused, and everything else still runs", async () => {
    const { body, options } = mcpRequest("ping", "{}");
    const send = (origin: string | null) => sendMcp(body, { ...options, headers: { origin } });
    await problem(await send("https://evil.example"), "forbidden");
    await problem(await send("null"), "forbidden");
    expect((await send(null)).status).toBe(200);
  });

  it("of memX's own host may call, over TLS in front of memX too", () => {
    expect(visit("https://memx.example/mcp", "https://memx.example")).toBe(true);
    expect(visit("http://memx.example/mcp", "https://memx.example")).toBe(true);
    expect(visit("http://memx.example:8443/mcp", "https://memx.example:8443")).toBe(true);
    refused("https://memx.example/mcp", "https://memx.example:444");
    refused("https://memx.example/mcp", "https://memx.example.evil");
  });

  it("that rebinds its name to memX's address is refused", () => {
    refused("http://evil.example:8000/mcp", "http://evil.example:8000");
    for (const host of ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.5:8000"]) {
      expect(visit(`http://${host}/mcp`, `http://${host}`), host).toBe(true);
    }
  });

  it("on this machine may call in development, on any port", () => {
    for (const origin of ["http://localhost:6274", "http://127.0.0.1:1", "https://[::1]:9"]) {
      expect(visit("http://127.0.0.1:8000/mcp", origin, { MEMX_ENV: "development" }), origin).toBe(true);
      refused("http://127.0.0.1:8000/mcp", origin);
    }
    refused("http://127.0.0.1:8000/mcp", "http://localhost.evil.example", { MEMX_ENV: "development" });
  });

  it("that MCP_ORIGINS lists may call", () => {
    const settings = { MCP_ORIGINS: " https://a.example, http://B.example:81/\nchrome-extension://abc" };
    for (const origin of ["https://a.example", "http://b.example:81", "chrome-extension://abc"]) {
      expect(visit("https://memx.example/mcp", origin, settings)).toBe(true);
    }
    for (const unset of [undefined, null, ""]) {
      refused("https://memx.example/mcp", "https://a.example", { MCP_ORIGINS: unset });
    }
    for (const origin of ["http://a.example", "https://a.example:444", "https://b.example:81", "null", "", "x", ","]) {
      refused("https://memx.example/mcp", origin, settings);
    }
  });

  it("needs the same API key as everybody", async () => {
    const headers = { origin: "https://memx" };
    const response = await exports.default.fetch("https://memx/mcp", { method: "POST", headers, body: "{}" });
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    await problem(response, "missing_api_key");
  });
});
