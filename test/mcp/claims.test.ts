// Claims: one agent at a time, the same keys as the leases of memX's clients, and writes that need one.

import { describe, expect, it } from "vitest";
import { freshKey, get, getText, set } from "../support/client.ts";
import { failTool, useTool } from "../support/mcp.ts";
import { connectMemx } from "../support/sdk-client.ts";

describe("a claim", () => {
  it("belongs to one agent at a time, and to the next after its release", async () => {
    const key = freshKey();
    const { claimed, token } = await useTool("memx_claim", { key, holder: "a" });
    expect(claimed).toBe(true);
    expect(await useTool("memx_claim", { key, holder: "b" })).toMatchObject({
      claimed: false,
      holder: "a",
      expires: expect.any(Number),
    });
    expect(await useTool("memx_release", { key, token: token + 1 })).toEqual({ released: false });
    expect(await useTool("memx_release", { key, token })).toEqual({ released: true });
    expect(await useTool("memx_release", { key, token })).toEqual({ released: false });
    const second = await useTool("memx_claim", { key, holder: "b" });
    expect(second.claimed).toBe(true);
    expect(second.token).toBeGreaterThan(token);
  });

  it("is prolonged with its token, and gets a new one", async () => {
    const key = freshKey();
    const { token } = await useTool("memx_claim", { key, holder: "a", seconds: 5 });
    const second = await useTool("memx_claim", { key, holder: "a", seconds: 5, token });
    expect(second.token).toBeGreaterThan(token);
    expect(await useTool("memx_claim", { key, holder: "a", token })).toMatchObject({
      claimed: false,
      holder: "a",
      expires: expect.any(Number),
    });
    expect(await useTool("memx_claim", { key: freshKey(), holder: "a", token })).toEqual({ claimed: false });
  });

  it("expires", async () => {
    const key = freshKey();
    await useTool("memx_claim", { key, holder: "a", seconds: 5 });
    const again = async () => (await useTool("memx_claim", { key, holder: "b" })).claimed;
    await expect.poll(again, { interval: 500 }).toBe(true);
  });

  it("does not show its holder to an agent that must not read the key", async () => {
    const key = freshKey();
    await useTool("memx_claim", { key, holder: "a secret agent" });
    const { grant } = await import("../support/grant.ts");
    const apiKey = freshKey();
    grant({ [apiKey]: { read: [], write: ["*"], user_id: "" } });
    expect(await useTool("memx_claim", { key, holder: "b" }, { apiKey })).toEqual({ claimed: false });
  });

  it("is a lease of the client: each respects what the other has", async () => {
    const key = freshKey();
    const { memx } = connectMemx();
    const lease = await memx.lease(key, { ttl: 60, holder: "client" });
    expect(await useTool("memx_claim", { key, holder: "mcp" })).toMatchObject({ claimed: false, holder: "client" });
    const held = await useTool("memx_set", { key: freshKey(), value: 1, holding: { key, token: lease.revision } });
    expect(held.revision).toBeGreaterThan(lease.revision);
    await lease.release();
    const { token } = await useTool("memx_claim", { key, holder: "mcp" });
    await expect(memx.lease(key, { ttl: 60, holder: "client" })).rejects.toMatchObject({ code: "conflict" });
    await memx.batch([
      { op: "check", key, expect: token },
      { op: "set", key: freshKey(), value: 1 },
    ]);
    await useTool("memx_release", { key, token });
    const again = await memx.lease(key, { ttl: 60 });
    await again.release();
  });
});

describe("a write with `holding`", () => {
  it("is applied while the claim is held", async () => {
    const [key, lease] = [freshKey(), freshKey()];
    const { token } = await useTool("memx_claim", { key: lease, holder: "a" });
    const args = `{"key":"${key}","value":1.0,"expect":0,"holding":{"key":"${lease}","token":${token}}}`;
    const { revision } = await useTool("memx_set", args);
    expect(revision).toBe(token + 1);
    expect(await getText(key)).toBe("1.0");
    expect(await getText(lease)).toBe('"a"');
  });

  it("changes nothing once the claim is lost, and says so", async () => {
    const [key, lease] = [freshKey(), freshKey()];
    const { token } = await useTool("memx_claim", { key: lease, holder: "a" });
    await useTool("memx_release", { key: lease, token });
    await useTool("memx_claim", { key: lease, holder: "b" });
    const text = await failTool("memx_set", { key, value: 1, holding: { key: lease, token } });
    expect(text).toMatch(/^conflict: Your claim on ".*" has expired or was released, so nothing was written\./);
    expect(text).not.toContain("current");
    expect(await get(key)).toBe("null");
  });

  it("still respects `expect` and the key's schema", async () => {
    const [key, lease] = [freshKey(), freshKey()];
    const { revision } = await set(key, "there");
    const { token } = await useTool("memx_claim", { key: lease, holder: "a" });
    const text = await failTool("memx_set", { key, value: 1, expect: 0, holding: { key: lease, token } });
    expect(text).toContain('current: {"value":"there"');
    expect(text).toContain(`"revision":${revision},`);
  });

  it("refuses a claim that is no claim", async () => {
    const key = freshKey();
    for (const holding of [
      {},
      { key },
      { token: 1 },
      { key, token: 0 },
      { key, token: 1, x: 1 },
      { key: "", token: 1 },
    ]) {
      expect(await failTool("memx_set", { key, value: 1, holding })).toContain("/holding");
    }
    const long = { key: "ä".repeat(257), token: 1 };
    expect(await failTool("memx_set", { key, value: 1, holding: long })).toContain("/holding/key: ");
  });
});
