// Every action of the dashboard by keyboard alone. On each page, a frame in which no element has focus is a fault, too.

import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { launchChromium } from "./support/dashboard-page.ts";
import { findKeyboardFaults, type Keyboard, openByKeyboard } from "./support/keyboard.ts";
import { type SelfHosted, startSelfHosted } from "./support/self-hosted.ts";

let browser: Browser;
let memx: SelfHosted;
const opened: Keyboard[] = [];

beforeAll(async () => {
  const MEMX_ACL = '{"local_dev_key":["*"],"empty":["none"]}';
  [browser, memx] = await Promise.all([launchChromium(), startSelfHosted("embedded", { MEMX_ACL })]);
});
afterAll(async () => {
  await memx?.close();
  await browser?.close();
});
afterEach(async () => {
  const faults = opened.flatMap((each) => each.faults);
  for (const each of opened.splice(0)) await each.close();
  expect(faults).toEqual([]);
});

describe("by keyboard alone", { tags: ["long"] }, () => {
  const open = async (route: string, options: Omit<Parameters<typeof openByKeyboard>[2], "route"> = {}) => {
    const keyboard = await openByKeyboard(browser, memx.url, { apiKey: "local_dev_key", route, ...options });
    opened.push(keyboard);
    return keyboard;
  };
  const set = async (key: string, value: string, agent = "other") => {
    const text = await memx.call("/set", { agent, body: `{"key":${JSON.stringify(key)},"value":${value}}` });
    return (JSON.parse(text) as { revision: number }).revision;
  };
  const remove = (key: string) => memx.call("/delete", { body: JSON.stringify({ key }) });
  const rawValue = async (key: string) => {
    const text = await memx.call(`/get?key=${encodeURIComponent(key)}`);
    return /^\{"value":(.*),"ts":[\d.]+,"revision":\d+,"created"/s.exec(text)?.[1];
  };
  const keyRoute = (key: string, tab = "") => `#/keys/${encodeURIComponent(key)}${tab}`;
  const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const link = (page: Page, name: string | RegExp) => page.getByRole("link", { name, exact: true });
  const heading = (page: Page, name: string | RegExp) => page.getByRole("heading", { name, exact: true });
  const region = (page: Page, name: string) => page.getByRole("region", { name, exact: true });
  const clipboard = (page: Page) => page.evaluate("navigator.clipboard.readText()");
  /** The name of the row that the keys of the tree act on. */
  const activeRow = (page: Page) =>
    page.evaluate(`(() => {
      const id = document.querySelector("[role=tree]")?.getAttribute("aria-activedescendant");
      return id ? document.getElementById(id)?.querySelector(".row-label")?.textContent : null;
    })()`);
  const expectActive = (page: Page, name: string | null) => expect.poll(() => activeRow(page)).toBe(name);
  const expectHash = (page: Page, hash: string) => expect.poll(() => new URL(page.url()).hash).toBe(hash);
  /** Chooses in a list that has focus. */
  const choose = async ({ press }: Keyboard, list: Locator, value: string) => {
    await press("Home");
    for (let n = 0; (await list.inputValue()) !== value; n++) {
      expect(n, `the list has ${value}`).toBeLessThan(20);
      await press("ArrowDown");
    }
  };

  it("signs in, after a wrong API key too, switches the colors, and signs out", async () => {
    const keyboard = await open("#/keys", { apiKey: undefined, expected: /status of 40[34]/ });
    const { page, press, type, tabTo, enter, retype, expectFocus } = keyboard;
    const field = page.getByLabel("API key");
    await expectFocus(field);
    await type("wrong");
    await enter(button(page, "Sign in"));
    await page.getByText("memX does not know this API key.").waitFor();
    await expectFocus(button(page, "Sign in"));
    await tabTo(field);
    await retype("local_dev_key");
    await press("Enter");
    await page.getByRole("status").getByText("Live", { exact: true }).first().waitFor();
    await expectFocus(page.getByRole("main"));
    const colors = button(page, /^Colors: /);
    const theme = () => page.evaluate("document.documentElement.getAttribute('data-theme')");
    await tabTo(colors);
    for (const each of ["light", "dark", null]) {
      await press("Enter");
      await expect.poll(theme).toBe(each);
      await expectFocus(colors);
    }
    await enter(button(page, "Sign out"));
    await expectFocus(field);
    await enter(colors);
    await expect.poll(theme).toBe("light");
    for (const [name, path] of [
      ["API reference", "/docs"],
      ["openapi.json", "/openapi.json"],
      ["Health", "/health"],
    ] as const) {
      await enter(link(page, name));
      await page.waitForURL(`${memx.url}${path}`);
      await page.goBack();
      await field.waitFor();
    }
  });

  it("moves in the tree, opens and closes folders, filters, and opens keys", async () => {
    for (const key of ["tree:a/one", "tree:a/two", "tree:b", "other"]) await set(key, '{"n":1}');
    const { page, press, tabTo, enter, type, expectFocus } = await open("#/live");
    await enter(link(page, "Keys"));
    const tree = page.getByRole("tree");
    await tree.waitFor();
    await enter(button(page, "Skip to the content"));
    await expectFocus(page.getByRole("main"));
    await press("/");
    await expectFocus(page.getByLabel("Filter keys"));
    await type("tree:");
    await page.getByText(/^3 of /).waitFor();
    await tabTo(tree);
    await expectActive(page, "tree:");
    const moves = [
      ["End", "b"],
      ["Home", "tree:"],
      ["ArrowDown", "a/"],
      ["ArrowRight", "one"],
      ["ArrowUp", "a/"],
      ["PageDown", "b"],
      ["ArrowDown", "b"],
      ["PageUp", "tree:"],
      ["ArrowUp", "tree:"],
    ] as const;
    for (const [key, name] of moves) {
      await press(key);
      await expectActive(page, name);
    }
    const folder = page.getByRole("treeitem", { name: /^a\// });
    await press("ArrowDown");
    for (const [key, isOpen] of [
      ["ArrowLeft", "false"],
      ["ArrowRight", "true"],
      ["Enter", "false"],
      [" ", "true"],
    ] as const) {
      await press(key);
      await expect.poll(() => folder.getAttribute("aria-expanded")).toBe(isOpen);
      await expectFocus(tree);
    }
    await press("ArrowRight", "ArrowDown", "Enter");
    await heading(page, "tree:a/two").waitFor();
    await expectFocus(tree);
    await press("ArrowUp", " ");
    await heading(page, "tree:a/one").waitFor();
    await press("ArrowLeft");
    await expectActive(page, "a/");
    await expectFocus(tree);
    // All rows go: another client deletes them.
    for (const key of ["tree:a/one", "tree:a/two", "tree:b"]) await remove(key);
    await page.getByText("No key matches this filter.").waitFor();
    await expectFocus(region(page, "Keys"));
  });

  it("does nothing on Enter, Space and the arrows to the sides on a row of the tree that is gone", async () => {
    for (const key of ["gone:a", "gone:b", "gone:c", "other"]) await set(key, "1");
    const { page, press, tabTo, type, expectFocus } = await open("#/keys");
    const tree = page.getByRole("tree");
    await tree.waitFor();
    const filter = page.getByLabel("Filter keys");
    await press("/");
    await expectFocus(filter);
    await type("gone:");
    await page.getByText(/^3 of /).waitFor();
    await tabTo(tree);
    const doNothing = async (rows: readonly string[]) => {
      await expectActive(page, null);
      await press("Enter", " ", "ArrowLeft", "ArrowRight");
      // The keys have been handled once a later one has its effect.
      await press("Control+Enter");
      await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");
      expect(await activeRow(page)).toBeNull();
      expect(new URL(page.url()).hash).toBe("#/keys");
      expect(await page.locator("[role=treeitem] .row-label").allTextContents()).toEqual(rows);
      await expectFocus(tree);
      // And the next arrow begins at the top.
      await press("ArrowDown");
      await expectActive(page, "gone:");
    };
    await press("End", "ArrowUp");
    await expectActive(page, "b");
    await remove("gone:b");
    await page.getByText(/^2 of /).waitFor();
    await doNothing(["gone:", "a", "c"]);
    // The filter hides the row: coming back, one begins at the top. Then all rows are gone, and the tree with them.
    await press("End");
    await expectActive(page, "c");
    await press("Shift+Tab", "Shift+Tab");
    await expectFocus(filter);
    await press("End");
    await type("a");
    await page.getByText(/^1 of /).waitFor();
    await tabTo(tree);
    await expectActive(page, "gone:");
    await press("End");
    await expectActive(page, "a");
    await remove("gone:a");
    await page.getByText("No key matches this filter.").waitFor();
    await expectFocus(region(page, "Keys"));
    await press("Enter", " ", "ArrowLeft", "ArrowRight", "ArrowDown");
    expect(new URL(page.url()).hash).toBe("#/keys");
  });

  it("looks at a value, copies it, edits it, gives it a time to live, and deletes it", async () => {
    const items = JSON.stringify(Array.from({ length: 150 }, (_, n) => n));
    const value = `{"list":${items},"text":"${"x".repeat(2_500)}","end":1.0}`;
    await set("value:doc", value);
    const keyboard = await open(keyRoute("value:doc"), {
      permissions: ["clipboard-read", "clipboard-write"],
      expected: /status of 400/,
    });
    const { page, press, tabTo, enter, retype, type, expectFocus } = keyboard;
    await heading(page, "value:doc").waitFor();
    await enter(button(page, "Copy the key's name"));
    await expect.poll(() => clipboard(page)).toBe("value:doc");
    await enter(button(page, "Copy the value"));
    await expect.poll(() => clipboard(page)).toBe(value);

    await enter(button(page, "Text"));
    await region(page, "The value as text").waitFor();
    await enter(button(page, "Tree"));
    await region(page, "The value as a tree").waitFor();
    const list = button(page, /list.* 150 items/);
    const last = page.locator(".json-index").getByText("149", { exact: true });
    await enter(button(page, /^Show 50 more of 50$/));
    await last.waitFor();
    await enter(button(page, "… show all 2502 characters"));
    await button(page, "… show all 2502 characters").waitFor({ state: "hidden" });
    await enter(list);
    await last.waitFor({ state: "hidden" });
    await expectFocus(list);

    // Leaving without a change, and with one, which the browser asks about.
    const editor = page.locator("#value-editor");
    await enter(button(page, "Edit"));
    await expectFocus(editor);
    await enter(button(page, "Cancel"));
    await expectFocus(button(page, "Edit"));
    await press("Enter");
    await expectFocus(editor);
    await retype('{"a":1.0,}');
    await tabTo(button(page, /^Line 1, column 10/));
    await press("Enter");
    await expectFocus(editor);
    await retype('{"a":1.0}');
    const asked = page.waitForEvent("dialog");
    await tabTo(link(page, "Live"));
    const pressed = press("Enter");
    await (await asked).dismiss();
    await pressed;
    await expectFocus(link(page, "Live"));
    await enter(button(page, "Format"));
    await expect.poll(() => editor.inputValue()).toBe('{\n  "a": 1.0\n}');

    const ttl = page.getByLabel("Time to live");
    await tabTo(ttl);
    await choose(keyboard, ttl, "seconds");
    await tabTo(page.getByLabel("Seconds until it expires"));
    await retype("900");
    await enter(button(page, "Save"));
    await page
      .getByText(/expires in 1[45]m/)
      .first()
      .waitFor();
    await expectFocus(button(page, "Edit"));
    expect(await memx.call("/get?key=value:doc")).toMatch(/"expires":\d+/);
    // A schema refuses the next one.
    await memx.call("/schema", { body: '{"key":"value:doc","schema":{"type":"object"}}' });
    await press("Enter");
    await expectFocus(editor);
    await retype("[2]");
    await tabTo(ttl);
    await choose(keyboard, ttl, "none");
    await enter(button(page, "Save"));
    const refused = button(page, /^Line 1, column 1 .*Must be/);
    await refused.waitFor();
    await expectFocus(button(page, "Save"));
    await enter(refused);
    await expectFocus(editor);
    await retype('{"b":2}');
    await press("Control+s");
    await page.getByText("Saved.").last().waitFor();
    await expectFocus(button(page, "Edit"));
    expect(await rawValue("value:doc")).toBe('{"b":2}');
    expect(await memx.call("/get?key=value:doc")).not.toContain('"expires"');

    const dialog = page.getByRole("dialog");
    for (const cancel of [["Escape"], ["Enter"]]) {
      await enter(button(page, "Delete"));
      await dialog.waitFor();
      await press(...cancel);
      await dialog.waitFor({ state: "hidden" });
      await expectFocus(button(page, "Delete"));
    }
    await press("Enter");
    await dialog.waitFor();
    await tabTo(dialog.getByRole("button", { name: "Delete" }));
    await press("Enter");
    await page.getByText("This key has no value.").waitFor();
    expect(await rawValue("value:doc")).toBeUndefined();
    await enter(button(page, "Write a value"));
    await expectFocus(editor);
    await retype('{"c":3}');
    await press("Control+Enter");
    await expectFocus(button(page, "Edit"));
    await enter(link(page, "Access"));
    await page.getByText("Can write").waitFor();
    await expectFocus(link(page, "Access"));
    await type("x");
  });

  it("merges two changes, takes the other one, and goes back to the edit", async () => {
    const lines = Array.from({ length: 30 }, (_, n) => `"line ${n}":${n}`).join();
    const value = (x: string, more = "") => `{"x":${x},${lines}${more}}`;
    await set("conflict:doc", value('"base"'));
    const { page, press, tabTo, enter, retype, expectFocus } = await open(keyRoute("conflict:doc"), {
      expected: /status of 409/,
    });
    const editor = page.locator("#value-editor");
    const conflict = region(page, "Merge");
    const begin = async (mine: string, theirs: string) => {
      await enter(button(page, "Edit"));
      await expectFocus(editor);
      await retype(mine);
      await set("conflict:doc", theirs, "critic");
      await page.getByText("critic has changed this value since you began.").waitFor();
    };
    await begin(value('"mine"', ',"more":1.0'), value('"theirs"'));
    await enter(button(page, "Compare and merge"));
    await expectFocus(conflict);
    await enter(button(page, "Back to my edit"));
    await expectFocus(editor);
    await press("Control+s");
    await expectFocus(conflict);
    await enter(region(page, "Result").getByRole("button", { name: /unchanged lines/ }));
    await expectFocus(region(page, "What saving changes"));
    const radio = (name: RegExp) => page.getByRole("radio", { name });
    await tabTo(radio(/Mine/));
    await press("ArrowUp");
    await expect.poll(() => radio(/Theirs/).isChecked()).toBe(true);
    await press("ArrowDown");
    await expect.poll(() => radio(/Mine/).isChecked()).toBe(true);
    await press("ArrowUp");
    await expect.poll(() => radio(/Theirs/).isChecked()).toBe(true);
    await enter(button(page, "Save the result"));
    await page.getByText("Saved.").waitFor();
    await expectFocus(button(page, "Edit"));
    expect(await rawValue("conflict:doc")).toBe(value('"theirs"', ',"more":1.0'));

    await begin(value('"mine"'), value('"theirs again"'));
    await enter(button(page, "Compare and merge"));
    await enter(button(page, "Discard mine"));
    await expectFocus(button(page, "Edit"));
    expect(await rawValue("conflict:doc")).toBe(value('"theirs again"'));
  });

  it("does not take the focus back from a person who has gone on during a save", async () => {
    await set("slow:doc", "1");
    const { page, press, enter, retype, type, expectFocus } = await open(keyRoute("slow:doc"));
    await enter(button(page, "Edit"));
    await expectFocus(page.locator("#value-editor"));
    await retype("2");
    // The call waits until the focus is elsewhere.
    const isElsewhere = Promise.withResolvers<void>();
    await page.route("**/set", async (route) => {
      await isElsewhere.promise;
      await route.continue();
    });
    await press("Control+s");
    const filter = page.getByLabel("Filter keys");
    for (let n = 0; !(await filter.evaluate((element) => element.matches(":focus"))); n++) {
      expect(n, "stops before the filter").toBeLessThan(20);
      await press("Shift+Tab");
    }
    isElsewhere.resolve();
    await button(page, "Edit").waitFor();
    await type("slow:");
    await page.getByText(/^1 of /).waitFor();
    await expectFocus(filter);
    expect(await rawValue("slow:doc")).toBe("2");
  });

  it("compares any two revisions, reads earlier ones, and restores a value", async () => {
    const lines = Array.from({ length: 30 }, (_, n) => `"line ${n}":${n}`).join();
    for (let n = 1; n <= 52; n++) await set("past:doc", `{"n":${n}.0,${lines}}`);
    const { page, press, tabTo, enter, expectFocus } = await open(keyRoute("past:doc"));
    await enter(link(page, "History"));
    const comparison = region(page, "Difference between the two revisions");
    await expect.poll(() => comparison.textContent()).toMatch(/Added:\s+"n": 52.0,/);
    await enter(button(page, "Earlier changes"));
    await expect.poll(() => page.getByRole("row").count()).toBe(53);
    await button(page, "Earlier changes").waitFor({ state: "hidden" });
    const radio = (kind: string, n: number) =>
      page
        .getByRole("row")
        .nth(n)
        .getByRole("radio", { name: `Compare ${kind}` });
    await tabTo(radio("from", 2));
    await press("ArrowDown", "ArrowDown");
    await expect.poll(() => comparison.textContent()).toMatch(/Removed:\s+"n": 49.0,/);
    await expectFocus(radio("from", 4));
    await tabTo(radio("to", 1));
    await press("ArrowDown", "ArrowDown");
    await expect.poll(() => comparison.textContent()).toMatch(/Added:\s+"n": 50.0,/);
    await enter(comparison.getByRole("button", { name: /unchanged lines/ }));
    await expectFocus(comparison);
    await enter(button(page, "Restore this value"));
    await page.getByText("Restored.").waitFor();
    expect(await rawValue("past:doc")).toMatch(/^\{"n":50\.0,/);
    await expect.poll(() => page.getByRole("row").count()).toBe(54);
  });

  it("adds a schema, edits it, and deletes it", async () => {
    await set("schema:doc", '{"x":1}');
    const keyboard = await open(keyRoute("schema:doc"), { expected: /status of 400/ });
    const { page, press, tabTo, enter, retype, expectFocus } = keyboard;
    await enter(link(page, "Schema"));
    await enter(button(page, "Add a schema"));
    const editor = page.locator("#schema-editor");
    await expectFocus(editor);
    const picker = page.getByLabel("Schema", { exact: true });
    await tabTo(picker);
    await choose(keyboard, picker, "common:2");
    await expect.poll(() => editor.inputValue()).toContain('"array"');
    await choose(keyboard, picker, "common:0");
    await enter(button(page, "Save schema"));
    await page.getByText("Schema saved.").waitFor();
    await expectFocus(button(page, "Edit schema"));
    await press("Enter");
    await expectFocus(editor);
    await enter(button(page, "Cancel"));
    await expectFocus(button(page, "Edit schema"));
    await press("Enter");
    await expectFocus(editor);
    await retype('{"type":"nope"}');
    await enter(button(page, "Save schema"));
    await button(page, /^Line 1, column 9/).waitFor();
    await expectFocus(button(page, "Save schema"));
    await enter(button(page, /^Line 1, column 9/));
    await expectFocus(editor);
    await retype('{"type":"object","maxProperties":1.0}');
    await press("Control+s");
    await expectFocus(button(page, "Edit schema"));
    expect(await memx.call("/schema?key=schema:doc")).toContain('{"type":"object","maxProperties":1.0}');
    await enter(button(page, "Delete schema"));
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await tabTo(dialog.getByRole("button", { name: "Delete" }));
    await press("Enter");
    await heading(page, "Any JSON is allowed").waitFor();
  });

  it("writes a new key with a schema and a time to live, and dismisses what went wrong", async () => {
    await memx.call("/schema", { body: '{"key":"new:taken","schema":{"type":"number"}}' });
    const keyboard = await open("#/keys", { expected: /status of 4/ });
    const { page, tabTo, enter, retype, type, expectFocus } = keyboard;
    const name = page.getByLabel("Key", { exact: true });
    const picker = page.getByLabel("Schema", { exact: true });
    const ttl = page.getByLabel("Time to live");
    await enter(link(page, "New"));
    await expectFocus(name);
    await enter(link(page, "Cancel"));
    await heading(page, "New key").waitFor({ state: "hidden" });
    await expectFocus(region(page, "Details"));
    await enter(link(page, "New"));
    await expectFocus(name);
    await type("new:taken");
    await tabTo(picker);
    await choose(keyboard, picker, "common:1");
    await tabTo(page.getByLabel("The schema, to adapt"));
    await retype('{"type":"object","required":["x"]}');
    await tabTo(page.getByRole("textbox", { name: "Value as JSON" }));
    await retype("{}");
    await enter(button(page, "Write key"));
    await page.getByText("This key has a schema already.").waitFor();
    await expectFocus(button(page, "Write key"));
    await enter(button(page, "Dismiss"));
    await page.getByText("This key has a schema already.").waitFor({ state: "hidden" });
    await tabTo(name);
    await retype("new:doc");
    await enter(button(page, "Write key"));
    const refused = button(page, /^Line 1, column 1/);
    await refused.waitFor();
    await expectFocus(button(page, "Write key"));
    await enter(refused);
    await expectFocus(page.getByRole("textbox", { name: "Value as JSON" }));
    await retype('{"x":1.0}');
    await tabTo(ttl);
    await choose(keyboard, ttl, "seconds");
    await tabTo(page.getByLabel("Seconds until it expires"));
    await retype("500");
    await enter(button(page, "Write key"));
    await heading(page, "new:doc").waitFor();
    await expectFocus(region(page, "Details"));
    expect(await rawValue("new:doc")).toBe('{"x":1.0}');
    expect(await memx.call("/get?key=new:doc")).toMatch(/"expires":\d+/);
    expect(await memx.call("/schema?key=new:doc")).toContain('{"type":"object","required":["x"]}');
  });

  it("follows changes live: filters, pauses, replays, scrolls, and opens a key", async () => {
    const first = await set("feed:1", "1", "alice");
    for (let n = 2; n <= 60; n++) await set(`feed:${n}`, String(n), "bob");
    const { page, press, tabTo, enter, retype, type, expectFocus } = await open("#/keys");
    await page.getByRole("status").getByText("Live", { exact: true }).first().waitFor();
    await enter(page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Live" }));
    const feed = region(page, "Changes, newest first");
    const links = () => feed.getByRole("link").allTextContents();
    await feed.getByRole("link", { name: "feed:60" }).waitFor();
    await tabTo(page.getByLabel("Filter changes by key"));
    await type("feed:");
    await expect.poll(async () => (await links())[0]).toBe("feed:60");
    for (const name of ["alice", "bob"]) await region(page, "Who wrote what when").getByText(name).waitFor();

    await enter(button(page, "Pause"));
    await set("feed:61", "1");
    const resume = button(page, "Resume (1 new)");
    await resume.waitFor();
    await expectFocus(resume);
    await press("Enter");
    await feed.getByRole("link", { name: "feed:61" }).waitFor();
    await expectFocus(button(page, "Pause"));

    const since = page.getByLabel("Replay what came after revision");
    await tabTo(since);
    await type(String(first + 57));
    await press("Enter");
    await expect.poll(links).toEqual(["feed:61", "feed:60", "feed:59"]);
    await expectFocus(since);
    await retype(String(first + 58));
    await enter(button(page, "Replay"));
    await expect.poll(links).toEqual(["feed:61", "feed:60"]);
    await expectFocus(button(page, "Replay"));
    await enter(button(page, "Back to live"));
    await feed.getByRole("link", { name: "feed:50" }).waitFor();
    await enter(button(page, "Whole log"));
    await page.getByText(/^Replaying what came after/).waitFor();
    await feed.getByRole("link", { name: "feed:61" }).waitFor();
    await tabTo(feed);
    await press("PageDown");
    await expect.poll(() => feed.evaluate(({ scrollTop }) => scrollTop)).toBeGreaterThan(100);
    // Again and again, because the page may still be scrolling down.
    const scrollUp = async () => {
      await press("PageUp");
      return feed.evaluate(({ scrollTop }) => scrollTop);
    };
    await expect.poll(scrollUp).toBe(0);
    // The rows move down until the one that has focus is off the screen.
    await tabTo(feed.getByRole("link", { name: "feed:61" }));
    for (let n = 62; n <= 110; n++) await set(`feed:${n}`, String(n));
    await feed.getByRole("link", { name: "feed:110" }).waitFor();
    await expectFocus(feed);
    await enter(feed.getByRole("link", { name: "feed:108" }));
    await heading(page, "feed:108").waitFor();
    await expectFocus(page.getByRole("main"));
  });

  it("shows how to connect, copies each snippet, and follows the links", async () => {
    const { page, press, enter, expectFocus } = await open("#/keys", {
      apiKey: "empty",
      permissions: ["clipboard-read", "clipboard-write"],
      // The pages outside the dashboard have no icon.
      expected: /status of 404/,
    });
    await enter(link(page, "New key"));
    await expectFocus(page.getByLabel("Key", { exact: true }));
    await enter(link(page, "Cancel"));
    await enter(link(page, "Connect an agent"));
    await heading(page, "Connect an agent").waitFor();
    for (const tab of ["MCP", "Python", "TypeScript", "curl"]) {
      await enter(button(page, tab));
      await expect.poll(() => button(page, tab).getAttribute("aria-pressed")).toBe("true");
      await expectFocus(button(page, tab));
      for (const copy of await button(page, /^Copy /).all()) {
        await enter(copy);
        const code = await copy.locator("..").locator("code").textContent();
        await expect.poll(() => clipboard(page)).toBe(code);
        await expectFocus(copy);
      }
    }
    await page.getByText("May write").waitFor();
    for (const [name, path] of [
      ["API reference", "/docs"],
      ["openapi.json", "/openapi.json"],
      ["Health", "/health"],
    ] as const) {
      await enter(link(page, name));
      await page.waitForURL(`${memx.url}${path}`);
      await page.goBack();
      await heading(page, "Connect an agent").waitFor();
    }
    await enter(link(page, "memX"));
    await heading(page, "Nothing is stored yet").waitFor();
    await press("Tab");
  });

  it("opens a key on a narrow screen, and goes back to the tree", async () => {
    await set("narrow:a", "1");
    const { page, press, tabTo, enter, expectFocus } = await open("#/keys", { viewport: { width: 400, height: 740 } });
    const tree = page.getByRole("tree");
    await page.getByRole("treeitem", { name: /narrow:/ }).waitFor({ state: "attached" });
    await tabTo(tree);
    for (let n = 0; (await activeRow(page)) !== "narrow:"; n++) {
      expect(n).toBeLessThan(200);
      await press("ArrowDown");
    }
    await press("ArrowRight");
    if ((await activeRow(page)) === "narrow:") await press("ArrowRight");
    await expectActive(page, "a");
    await press("Enter");
    await heading(page, "narrow:a").waitFor();
    await expectFocus(page.getByRole("main"));
    await enter(link(page, "Keys").and(page.locator(".back")));
    await expectHash(page, "#/keys");
    await tabTo(tree);
  });

  it("tries again once memX is back", async () => {
    await set("away:a", "1");
    const { page, enter, expectFocus } = await open(keyRoute("away:a"), {
      expected: /status of 50|ERR_|WebSocket/,
    });
    await button(page, "Edit").waitFor();
    await memx.kill();
    await enter(link(page, "History"));
    await button(page, "Try again").waitFor();
    await memx.start();
    await enter(button(page, "Try again"));
    await page.getByRole("row").nth(1).waitFor();
    await expectFocus(page.locator("article.key"));
  });

  const key = keyRoute("view:doc");
  const edit = async ({ page, enter, expectFocus }: Keyboard) => {
    await enter(button(page, "Edit"));
    await expectFocus(page.locator("#value-editor"));
  };
  const VIEWS: readonly (readonly [name: string, route: string, prepare: (keyboard: Keyboard) => Promise<unknown>])[] =
    [
      ["keys", "#/keys", ({ page }) => page.getByRole("tree").waitFor()],
      ["value", key, ({ page }) => button(page, /2 members/).waitFor()],
      ["text", key, ({ page, enter }) => enter(button(page, "Text"))],
      ["history", `${key}/history`, ({ page }) => region(page, "Difference between the two revisions").waitFor()],
      ["schema", `${key}/schema`, ({ page }) => region(page, "The schema").waitFor()],
      ["access", `${key}/access`, ({ page }) => page.getByText("Can write").waitFor()],
      ["edit", key, edit],
      [
        "edit of the schema",
        `${key}/schema`,
        async ({ page, enter, expectFocus }) => {
          await enter(button(page, "Edit schema"));
          await expectFocus(page.locator("#schema-editor"));
        },
      ],
      [
        "faults",
        key,
        async (keyboard) => {
          await edit(keyboard);
          await keyboard.retype('{"x":');
          await button(keyboard.page, /^Line 1/).waitFor();
        },
      ],
      [
        "conflict",
        key,
        async (keyboard) => {
          const { page, enter, retype } = keyboard;
          await edit(keyboard);
          await retype('{"x":3,"note":"mine"}');
          await set("view:doc", '{"x":4,"note":"theirs"}', "critic");
          await enter(button(page, "Compare and merge"));
          await page.getByText("changed on both sides").waitFor();
        },
      ],
      [
        "question",
        key,
        async ({ page, enter }) => {
          await enter(button(page, "Delete"));
          await page.getByRole("dialog").waitFor();
        },
      ],
      ["no value", "#/keys/never", ({ page }) => page.getByText("This key has no value.").waitFor()],
      [
        "new",
        "#/new",
        async (keyboard) => {
          const picker = keyboard.page.getByLabel("Schema", { exact: true });
          await keyboard.tabTo(picker);
          await choose(keyboard, picker, "common:1");
        },
      ],
      [
        "live",
        "#/live",
        async ({ page, tabTo, type }) => {
          // Few enough for one screen, because rows beyond it do not exist.
          for (let n = 0; n < 3; n++) await set("few:a", "1");
          await tabTo(page.getByLabel("Filter changes by key"));
          await type("few:");
          await expect.poll(() => region(page, "Changes, newest first").getByRole("link").count()).toBe(3);
        },
      ],
      ["connect", "#/connect", ({ page }) => region(page, "Write a value").first().waitFor()],
    ];

  it.each(VIEWS)("reaches every control of the view, and shows the focus: %s", async (name, route, prepare) => {
    await memx.call("/schema", { body: '{"key":"view:doc","schema":{"type":"object"}}' });
    for (const value of ['{"x":1,"list":[1,[2]]}', '{"x":2.0,"list":[1,{"deep":[]}]}']) await set("view:doc", value);
    const keyboard = await open(route);
    await keyboard.page.getByRole("status").getByText("Live", { exact: true }).first().waitFor();
    // The keys are read meanwhile, and Tab must not have passed before the tree is there.
    if (/^#.(keys|new)/.test(route)) await keyboard.page.getByRole("tree").waitFor();
    await prepare(keyboard);
    const faults = await findKeyboardFaults(keyboard.page);
    // The rest of the page is inert behind a question.
    expect(name === "question" ? faults.filter((fault) => !fault.startsWith("is not reached")) : faults).toEqual([]);
    if (name === "question") await keyboard.tabTo(keyboard.page.getByRole("dialog").getByRole("button").last());
  });

  it("would notice a control out of reach, without a ring, or off the screen", async () => {
    const { page } = await open("#/connect");
    await region(page, "Write a value").first().waitFor();
    await page.evaluate(`(() => {
      const add = (tag, text, change) => {
        const element = document.querySelector("main").appendChild(document.createElement(tag));
        element.textContent = text;
        change(element);
      };
      add("button", "no stop", (element) => { element.tabIndex = -1; });
      add("div", "mouse only", (element) => element.addEventListener("click", () => {}));
      add("button", "no ring", (element) => { element.style.outline = "none"; });
      add("button", "covered", (element) => {
        element.style.cssText = "position: fixed; inset: 0 auto auto 0; width: 99px; height: 20px; z-index: -1";
      });
    })()`);
    expect((await findKeyboardFaults(page)).sort()).toEqual([
      'has no ring: button "no ring"',
      'is not on screen: button "covered"',
      'is not reached: button "no stop"',
      'is not reached: div "mouse only"',
    ]);
  });

  it("reaches every control before signing in and without keys, and shows the focus", async () => {
    for (const apiKey of [undefined, "empty"]) {
      const { page } = await open("#/keys", { apiKey });
      await (apiKey ? heading(page, "Nothing is stored yet") : page.getByLabel("API key")).waitFor();
      expect(await findKeyboardFaults(page)).toEqual([]);
    }
  });
});
