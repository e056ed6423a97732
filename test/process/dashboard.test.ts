// The dashboard as people use it, in a real browser against `npm start`, on both engines.

import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isLong } from "../support/long-runs.ts";
import { type DashboardPage, launchChromium, openDashboard } from "./support/dashboard-page.ts";
import { ENGINES, type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

const MEMX_ACL = JSON.stringify({
  local_dev_key: ["*"],
  reader: { read: ["*"], write: [] },
  writer: { read: [], write: ["*"] },
  part: { read: ["mine:*", "seen:*"], write: ["mine:*"], name: "part of it" },
});

let browser: Browser;
const opened: DashboardPage[] = [];

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());
afterEach(async () => {
  const faults = opened.flatMap((each) => each.faults);
  for (const each of opened.splice(0)) await each.close();
  expect(faults).toEqual([]);
});

// The page is the same on both engines, so only a long run takes both.
const engines = isLong ? ENGINES : (["embedded"] as const);

describe.each(engines)("the dashboard on the %s store", { tags: ["long"] }, (engine) => {
  let memx: SelfHosted;

  beforeAll(async () => {
    memx = await startSelfHosted(engine, { MEMX_ACL });
  });
  afterAll(() => memx?.close());

  const open = async (options: Parameters<typeof openDashboard>[2] = {}) => {
    const dashboard = await openDashboard(browser, memx.url, { apiKey: "local_dev_key", ...options });
    opened.push(dashboard);
    return dashboard;
  };
  const set = async (
    key: string,
    value: string,
    { agent = "other", ...rest }: { agent?: string; ttl?: number } = {},
  ) => {
    const more = Object.entries(rest).map(([name, number]) => `,"${name}":${number}`);
    return memx.call("/set", { agent, body: `{"key":${JSON.stringify(key)},"value":${value}${more.join("")}}` });
  };
  const rawValue = async (key: string) => {
    const text = await memx.call(`/get?key=${encodeURIComponent(key)}`);
    return text === "null" ? null : /^\{"value":(.*),"ts":[\d.]+,"revision":\d+,"created"/s.exec(text)?.[1];
  };
  const item = (page: Page, name: string | RegExp) => page.getByRole("treeitem", { name });
  const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
  /** At once, because Chromium takes minutes to type a large text. */
  const paste = (editor: Locator, text: string) =>
    editor.evaluate((area: { value: string; dispatchEvent(event: Event): boolean }, pasted) => {
      area.value = pasted;
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }, text);
  const keyRoute = (key: string, tab = "") => `#/keys/${encodeURIComponent(key)}${tab}`;

  it("signs in by API key, keeps it out of every address, and forgets it", async () => {
    const { page, requests } = await open({ apiKey: undefined, expected: /status of 403/ });
    await page.getByLabel("API key").fill("wrong");
    await button(page, "Sign in").click();
    await page.getByText("memX does not know this API key.").waitFor();
    await page.getByLabel("API key").fill("local_dev_key");
    await button(page, "Sign in").click();
    await page.getByRole("status").getByText("Live", { exact: true }).first().waitFor();
    await page.reload();
    await page.getByRole("navigation", { name: "Views" }).waitFor();
    expect(await page.evaluate(() => sessionStorage.getItem("memx-api-key"))).toBe("local_dev_key");
    await button(page, "Sign out").click();
    await page.getByLabel("API key").waitFor();
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }))).not.toContain(
      "local_dev_key",
    );
    await page.reload();
    await page.getByLabel("API key").waitFor();
    expect(requests.join("\n")).not.toContain("local_dev_key");
    expect(page.url()).not.toContain("local_dev_key");
    // Only memx run for development offers its key.
    expect(await page.getByText("Use the development key").count()).toBe(0);
  });

  it("teaches the next step where nothing is stored", async () => {
    const { page } = await open();
    await page.getByRole("heading", { name: "Nothing is stored yet" }).waitFor();
    await page.getByRole("link", { name: "Connect an agent" }).click();
    for (const [tab, text] of [
      ["curl", `curl ${memx.url}/set`],
      ["TypeScript", `baseUrl: "${memx.url}"`],
      ["Python", `base_url="${memx.url}"`],
      ["MCP", `claude mcp add --transport http memx ${memx.url}/mcp`],
    ] as const) {
      await button(page, tab).click();
      await page.getByText(text).waitFor();
      expect(await page.content()).not.toContain("local_dev_key");
    }
  });

  it("shows the keys as a tree, and a change of another client within a second", async ({ annotate }) => {
    for (const key of ["team:a/one", "team:a/two", "team:b", "solo"]) await set(key, '{"n":1}');
    const { page } = await open();
    await item(page, /^team:/).waitFor();
    expect(await item(page, /team:\s*3 keys/).count()).toBe(1);
    await item(page, /^\W*b\b.*object, 7 B/).waitFor();
    // The fastest of several, because the machine may be busy.
    const delays: number[] = [];
    for (let n = 0; n < 5; n++) {
      const startMs = performance.now();
      await set(`fresh-${n}`, `"${"x".repeat(n)}"`);
      await item(page, new RegExp(`fresh-${n}`)).waitFor();
      delays.push(performance.now() - startMs);
    }
    await annotate(`a change is on screen after ${Math.round(Math.min(...delays))} ms`);
    expect(Math.min(...delays)).toBeLessThan(1_000);
    await page.getByLabel("Filter keys").fill("team:[!b]*");
    await page.getByText("2 of 9 keys").waitFor();
    expect(await item(page, /solo/).count()).toBe(0);
    await memx.call("/delete", { body: '{"key":"team:a/one"}' });
    await page.getByText("1 of 8 keys").waitFor();
    await page.getByLabel("Filter keys").fill("nothing like this");
    await page.getByText("No key matches this filter.").waitFor();
  });

  it("counts down the time of a lease, names its holder, and drops it when it expires", async () => {
    await set("lease:1", '"worker-7"', { agent: "worker-7", ttl: 600 });
    const { page } = await open({ route: keyRoute("lease:1") });
    await item(page, /^\W*1\b.*worker-7.*expires in (9m|10m)/).waitFor();
    await page
      .getByText(/expires in (10m 00|9m 5\d)s/)
      .first()
      .waitFor();
    await set("lease:1", '"worker-8"', { agent: "worker-8", ttl: 1 });
    await page.getByText("This key has no value.").waitFor();
    await expect.poll(() => item(page, /lease:/).count()).toBe(0);
  });

  it("says that memX is gone, comes back, and shows what was written meanwhile", async () => {
    await set("outage:before", "1");
    const { page } = await open({
      expected: /status of 503|ERR_CONNECTION_REFUSED|WebSocket connection|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/,
    });
    await item(page, /before/).waitFor();
    await page.getByRole("status").getByText("Live", { exact: true }).first().waitFor();
    await memx.kill();
    await page.getByText("memX cannot be reached.").waitFor();
    await memx.start();
    await set("outage:meanwhile", '"written while the page was away"', { agent: "night shift" });
    await set("outage:before", "2");
    await item(page, /meanwhile/).waitFor({ timeout: 60_000 });
    await page.getByText("memX cannot be reached.").waitFor({ state: "hidden" });
    await item(page, /meanwhile/).click();
    await page.getByText('"written while the page was away"').last().waitFor();
    await page.getByText("night shift").first().waitFor();
  });

  it("shows someone else's change in the middle of an edit, and merges both", async () => {
    await set("shared:doc", '{"title":"draft","amount":12345678901234567890,"tags":["a"]}');
    const [one, two] = [
      await open({ route: keyRoute("shared:doc") }),
      await open({ route: keyRoute("shared:doc"), expected: /status of 409/ }),
    ];
    for (const { page } of [one, two]) await button(page, "Edit").click();
    const editor = (page: Page) => page.getByRole("textbox", { name: "Value of shared:doc as JSON" });
    await editor(one.page).fill('{"title":"final","amount":12345678901234567890,"tags":["a"]}');
    await editor(two.page).fill('{"title":"better","amount":12345678901234567891,"tags":["a","b"]}');
    await button(one.page, "Save").click();
    await one.page.getByText("Saved.").waitFor();
    await two.page.getByText("dashboard has changed this value since you began.").waitFor();
    await button(two.page, "Save").click();
    await two.page.getByRole("heading", { name: "Someone else changed this key" }).waitFor();
    for (const side of ["Base", "Theirs", "Mine"])
      await two.page.getByRole("heading", { name: side, exact: true }).waitFor();
    await two.page.getByText("One place was changed on both sides").waitFor();
    expect(await two.page.locator(".path").allTextContents()).toEqual(["/title"]);
    expect(await rawValue("shared:doc")).toContain('"final"');
    await two.page.getByRole("radio", { name: /Theirs/ }).check();
    await button(two.page, "Save the result").click();
    await two.page.getByText("Saved.").waitFor();
    expect(await rawValue("shared:doc")).toBe('{"title":"final","amount":12345678901234567891,"tags":["a","b"]}');
    // The other page follows.
    await one.page.getByText("12345678901234567891").waitFor();
  });

  it("loses no digit, runs nothing, and takes every key and large values", async () => {
    const digits = '{"a":12345678901234567890,"b":1.0,"c":-0.0,"d":9007199254740993,"e":1e2}';
    const attack = '<img src=x onerror="window.pwned=1">';
    const large = JSON.stringify({
      rows: Array.from({ length: 4_000 }, (_, n) => ({ n, text: `row ${n} of a large value, äöü` })),
    });
    expect(Buffer.byteLength(large)).toBeGreaterThan(200 * 1024);
    const keys = [
      ["plain", digits],
      [attack, JSON.stringify(attack)],
      ["odd:/ ?#%25&=+ .../..", digits],
      ["..", digits],
      [".", digits],
      ["::", digits],
      ["/", digits],
      [" leading and trailing ", digits],
      ["emoji:🧠/汉字", '"\\u0000 \u{1f9e0}"'],
      ["*[?]glob", "[1.0]"],
      ["__proto__", '{"__proto__":{"x":1.50},"constructor":2}'],
      ["large", large],
    ] as const;
    for (const [key, value] of keys) await set(key, value);
    const { page } = await open();
    for (const [key, value] of keys) {
      await page.goto(`${memx.url}/${keyRoute(key)}`);
      await page.getByRole("heading", { level: 1 }).filter({ hasText: key.trim() }).waitFor();
      await button(page, "Text").click();
      await button(page, "Edit").click();
      const editor = page.locator("#value-editor");
      const text = await editor.inputValue();
      expect(text.length).toBeGreaterThanOrEqual(value.length);
      // A change and nothing else.
      await paste(editor, `[${text},\n 0.10]`);
      await button(page, "Save").click();
      await page.getByText("Saved.").last().waitFor();
      await button(page, "Edit").waitFor();
      expect(await rawValue(key), key).toBe(`[${value},0.10]`);
      await button(page, "Tree").click();
    }
    expect(await page.evaluate(() => (globalThis as { pwned?: unknown }).pwned)).toBeUndefined();
    // All of them are rows of the tree, too.
    await page.getByLabel("Filter keys").fill("onerror");
    await item(page, /onerror/)
      .first()
      .waitFor();
  });

  it("shows the faults of a schema at their place, and edits and deletes the schema", async () => {
    const { page } = await open({ route: "#/new", expected: /status of 400/ });
    await page.getByLabel("Key", { exact: true }).fill("typed:point");
    await page.getByLabel("Schema", { exact: true }).selectOption({ label: "An object with named members" });
    await page
      .getByLabel("The schema, to adapt")
      .fill('{"type":"object","properties":{"x":{"type":"number"}},"required":["x"]}');
    const value = page.getByRole("textbox", { name: "Value as JSON" });
    await value.fill('{\n  "y": 1,\n  "x": "one"\n}');
    await button(page, "Write key").click();
    await button(page, /Line 3, column 8.*\/x.*Must be a number/).click();
    const selected = "(area) => area.value.slice(area.selectionStart, area.selectionEnd)";
    expect(await page.evaluate(`(${selected})(document.activeElement)`)).toBe('"one"');
    await value.fill('{\n  "x": 1,,\n}');
    await button(page, /Line 2, column 10.*double quotes/).waitFor();
    expect(await button(page, "Write key").isDisabled()).toBe(true);
    await value.fill('{"x": 1.0}');
    await button(page, "Write key").click();
    await page.getByRole("heading", { name: "typed:point" }).waitFor();
    expect(await rawValue("typed:point")).toBe('{"x":1.0}');

    await page.getByRole("link", { name: "Schema" }).click();
    await button(page, "Edit schema").click();
    const schema = page.getByRole("textbox", { name: "JSON Schema of typed:point" });
    await schema.fill('{"type": "nope"}');
    await button(page, "Save schema").click();
    await button(page, /Line 1, column 10.*\/type/).waitFor();
    await schema.fill('{"type": "object", "maxProperties": 1.0}');
    await button(page, "Save schema").click();
    await page.getByText("Schema saved.").waitFor();
    expect(await memx.call("/schema?key=typed:point")).toContain('{"type":"object","maxProperties":1.0}');
    await button(page, "Delete schema").click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Any JSON is allowed" }).waitFor();
  });

  it("compares any two revisions, and restores a value", async () => {
    for (const value of ['{"step":1,"n":1.0}', '{"step":2,"n":1.0}', '{"step":3,"n":2.50}'])
      await set("past:doc", value);
    const { page } = await open({ route: keyRoute("past:doc", "/history") });
    const comparison = page.getByRole("region", { name: "Difference between the two revisions" });
    await expect.poll(() => comparison.textContent()).toMatch(/Added:\s+"step": 3,/);
    const rows = page.getByRole("row");
    await rows
      .nth(2)
      .getByRole("radio", { name: /Compare to/ })
      .check();
    await rows
      .nth(3)
      .getByRole("radio", { name: /Compare from/ })
      .check();
    await expect.poll(() => comparison.textContent()).toMatch(/Removed:\s+"step": 1,/);
    await rows
      .nth(3)
      .getByRole("radio", { name: /Compare to/ })
      .check();
    await button(page, "Restore this value").click();
    await page.getByText("Restored.").waitFor();
    expect(await rawValue("past:doc")).toBe('{"step":1,"n":1.0}');
    // The restored value is a change like any other, and shows at once.
    await expect.poll(() => rows.count()).toBe(5);
  });

  it("deletes a value after a question, and gives one a time to live", async () => {
    await set("mend:me", "1");
    const { page } = await open({ route: keyRoute("mend:me") });
    await button(page, "Edit").click();
    await page.getByLabel("Time to live").selectOption({ label: "Expires after …" });
    await page.getByLabel("Seconds until it expires").fill("0");
    expect(await button(page, "Save").isDisabled()).toBe(true);
    await page.getByLabel("Seconds until it expires").fill("900");
    await button(page, "Save").click();
    await page
      .getByText(/expires in 1[45]m/)
      .first()
      .waitFor();
    expect(await memx.call("/get?key=mend:me")).toMatch(/"expires":\d+/);
    await button(page, "Delete").click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect(await rawValue("mend:me")).toBe("1");
    await button(page, "Delete").click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("This key has no value.").waitFor();
    expect(await rawValue("mend:me")).toBeNull();
    await button(page, "Write a value").waitFor();
  });

  it("follows changes live, pauses, filters, and replays", async () => {
    const first = JSON.parse(await set("feed:1", "1", { agent: "alice" })) as { revision: number };
    await set("feed:2", "2", { agent: "bob" });
    const { page } = await open({ route: "#/live" });
    const feed = page.getByRole("region", { name: "Changes, newest first" });
    // What happened before the page was opened is there.
    await feed.getByRole("link", { name: "feed:2" }).waitFor();
    const lanes = page.getByRole("region", { name: "Who wrote what when" });
    for (const name of ["alice", "bob"]) await lanes.getByText(name).waitFor();
    await button(page, "Pause").click();
    await set("feed:3", "3", { agent: "carol" });
    await button(page, /^Resume \(1 new\)$/).waitFor();
    expect(await feed.getByRole("link", { name: "feed:3" }).count()).toBe(0);
    await button(page, /^Resume/).click();
    await feed.getByRole("link", { name: "feed:3" }).waitFor();
    await page.getByLabel("Filter changes by key").fill("feed:2");
    await expect.poll(() => feed.getByRole("link").count()).toBe(1);
    await page.getByLabel("Filter changes by key").fill("feed:*");
    await page.getByLabel("Replay what came after revision").fill(String(first.revision));
    await button(page, "Replay").click();
    await expect.poll(() => feed.getByRole("link").allTextContents()).toEqual(["feed:3", "feed:2"]);
    await set("feed:4", "4");
    await feed.getByRole("link", { name: "feed:4" }).waitFor();
    await page.getByLabel("Filter changes by key").fill("");
    await button(page, "Whole log").click();
    await page.getByText(/^Replaying what came after/).waitFor();
    await feed.getByRole("link", { name: "feed:4" }).click();
    await page.getByRole("heading", { name: "feed:4" }).waitFor();
  });

  it("shows an API key no button that memX would refuse", async () => {
    await set("seen:doc", '{"n":1}');
    await set("seen:doc", '{"n":2}');
    const refused = [
      "Edit",
      "Delete",
      "Write a value",
      "Add a schema",
      "Edit schema",
      "Delete schema",
      "Restore this value",
    ];
    const count = async (page: Page) => {
      for (const name of refused) expect(await button(page, name).count(), name).toBe(0);
    };
    for (const apiKey of ["reader", "part"]) {
      const { page } = await open({ apiKey, route: keyRoute("seen:doc") });
      for (const [tab, text] of [
        ["Value", "1 member"],
        ["History", "Revision"],
        ["Schema", "Any JSON is allowed"],
        ["Access", "Cannot write"],
      ] as const) {
        await page.getByRole("link", { name: tab, exact: true }).click();
        await page.getByText(text).first().waitFor();
        await count(page);
      }
      await page.getByText("Can read", { exact: true }).waitFor();
      expect(await page.getByRole("link", { name: "New" }).count()).toBe(apiKey === "reader" ? 0 : 1);
    }
    const { page } = await open({ apiKey: "part", route: "#/new" });
    await page.getByLabel("Key", { exact: true }).fill("seen:other");
    await page.getByText("This API key cannot write this key. It can write mine:*.").waitFor();
    expect(await button(page, "Write key").isDisabled()).toBe(true);
    await page.getByLabel("Key", { exact: true }).fill("mine:other");
    await expect.poll(() => button(page, "Write key").isDisabled()).toBe(false);
    await button(page, "Write key").click();
    await page.getByRole("heading", { name: "mine:other" }).waitFor();
    await button(page, "Edit").waitFor();

    const blind = await open({ apiKey: "writer" });
    await blind.page.getByRole("heading", { name: "This API key reads no keys" }).waitFor();
    await blind.page.getByRole("link", { name: "New key" }).click();
    await blind.page.getByLabel("Key", { exact: true }).fill("blind:1");
    await button(blind.page, "Write key").click();
    await blind.page.getByText("This API key may write this key and not read it.").waitFor();
    expect(await rawValue("blind:1")).toBe("{}");
  });

  // dashboard-keyboard.test.ts has every action.
  it("does the most frequent actions by keyboard", async () => {
    await set("keys:a", "1");
    await set("keys:b", '{"n":1}');
    const { page } = await open({ apiKey: undefined });
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focused = () =>
      page.evaluate(
        "((element) => [element?.getAttribute('aria-label'), element?.textContent].join(' ').trim())(document.activeElement)",
      );
    const tabTo = async (name: string) => {
      for (let n = 0; n < 40; n++) {
        await press("Tab");
        if ((await focused()) === name) return;
      }
      throw new Error(`Tab never reaches ${name}; it is at ${await focused()}`);
    };
    const tabToTree = async () => {
      for (let n = 0; (await page.evaluate("document.activeElement?.role")) !== "tree"; n++) {
        expect(n, "stops before the tree").toBeLessThan(40);
        await press("Tab");
      }
    };
    await expect.poll(() => page.evaluate("document.activeElement?.id")).toBe("api-key");
    await page.keyboard.type("local_dev_key");
    await press("Enter");
    await page.getByRole("tree").waitFor();
    await tabTo("Skip to the content");
    await press("Enter");
    await expect.poll(() => page.evaluate("document.activeElement?.id")).toBe("main");
    await press("/");
    await page.keyboard.type("keys:");
    await page.getByText(/^2 of /).waitFor();
    await tabToTree();
    await press("Home", "ArrowDown", "ArrowDown", "Enter");
    await page.getByRole("heading", { name: "keys:b" }).waitFor();
    await tabTo("Edit");
    await press("Enter");
    await expect.poll(() => page.evaluate("document.activeElement?.id")).toBe("value-editor");
    await press("Control+a");
    await page.keyboard.type('{"n":2.0}');
    await press("Control+s");
    await page.getByText("Saved.").waitFor();
    expect(await rawValue("keys:b")).toBe('{"n":2.0}');
    await tabToTree();
    await press("ArrowUp", "Enter");
    await page.getByRole("heading", { name: "keys:a" }).waitFor();
    // Both in one frame: the second starts from where the first one went.
    await page.evaluate(`for (let n = 0; n < 2; n++)
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true, cancelable: true }));`);
    await expect.poll(() => item(page, /keys:/).getAttribute("aria-expanded")).toBe("false");
    await tabTo("Delete");
    await press("Enter");
    await page.getByRole("dialog").waitFor();
    await press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await tabTo("Delete");
    await press("Enter");
    await page.getByRole("dialog").waitFor();
    await press("Tab", "Enter");
    await page.getByText("This key has no value.").waitFor();
    await tabTo("History");
    await press("Enter");
    await page.getByText("delete", { exact: true }).first().waitFor();
    await tabTo("Live");
    await press("Enter");
    await page.getByRole("region", { name: "Changes, newest first" }).waitFor();
    await tabTo("Sign out");
    await press("Enter");
    await page.getByLabel("API key").waitFor();
  });
});
