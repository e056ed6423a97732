// The settings of relays, and the region of a request.

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { relaySettings } from "../../config/relay-settings.ts";
import { regionOf } from "../../memory/channels/region.ts";
import { app } from "../../worker/app.ts";

it("reads the settings, of which all may be missing or empty", () => {
  expect(relaySettings({})).toEqual({ region: undefined, keep: 2_000, leaf: 2_000 });
  expect(relaySettings({ REGION: "", RELAY_KEEP: "", RELAY_LEAF: "" })).toEqual(relaySettings({}));
  expect(relaySettings({ REGION: "auto", RELAY_KEEP: "0", RELAY_LEAF: "10000" })).toEqual({
    region: "auto",
    keep: 0,
    leaf: 10_000,
  });
});

it.each([
  [{ REGION: "eu" }, "REGION must be"],
  [{ REGION: "WEUR" }, "REGION must be"],
  [{ RELAY_KEEP: "many" }, "RELAY_KEEP must be a whole number from 0 to 10000."],
  [{ RELAY_KEEP: "10001" }, "RELAY_KEEP must be a whole number from 0 to 10000."],
  [{ RELAY_KEEP: "1.5" }, "RELAY_KEEP must be a whole number from 0 to 10000."],
  [{ RELAY_LEAF: "0" }, "RELAY_LEAF must be a whole number from 1 to 10000."],
  [{ RELAY_LEAF: "1e3" }, "RELAY_LEAF must be a whole number from 1 to 10000."],
])("refuses %o, and /health says why", async (settings, message) => {
  expect(() => relaySettings(settings)).toThrow(message);
  const response = await app.fetch(new Request("http://memx/health"), { ...env, ...settings });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "store_unavailable", detail: expect.stringContaining(message) });
});

it.each([
  [{ continent: "NA", longitude: "-122.3" }, "wnam"],
  [{ continent: "NA", longitude: "-74" }, "enam"],
  [{ continent: "SA" }, "sam"],
  [{ continent: "EU", longitude: "2.3" }, "weur"],
  [{ continent: "EU", longitude: "21" }, "eeur"],
  [{ continent: "AF" }, "afr"],
  [{ continent: "AS", longitude: "46.7" }, "me"],
  [{ continent: "AS", longitude: "139.7" }, "apac"],
  [{ continent: "OC" }, "oc"],
  [{ continent: "AN" }, undefined],
  [{}, undefined],
  [undefined, undefined],
])("finds the region of a request from %o", (cf, region) => {
  expect(regionOf("auto", cf)).toBe(region);
  expect(regionOf("apac", cf)).toBe("apac");
  expect(regionOf(undefined, cf)).toBeUndefined();
});
