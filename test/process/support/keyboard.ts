// The dashboard with keys only: no click, and no focus set by script. The page itself watches that focus is never lost.

import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { type DashboardPage, openDashboard } from "./dashboard-page.ts";

/** More tab stops than any view has. */
const MAX_STOPS = 150;

/**
 * Runs in the page before anything else. Focus on <body> in a drawn frame, after it was elsewhere, is an error of the page,
 * unless Tab has just left the page at its end. And it collects every element that reacts to a pointer.
 */
const WATCH = `(() => {
  const clickable = globalThis.clickable = new Set();
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    if (this instanceof Element && /^(dbl|aux)?click$|^mouse(down|up)$|^pointer(down|up)$|^touch/.test(type)) clickable.add(this);
    return add.call(this, type, ...rest);
  };
  const describe = (element) => {
    const text = (element.getAttribute("aria-label") ?? element.textContent ?? "").trim().replace(/\\s+/g, " ").slice(0, 40);
    return element.tagName.toLowerCase() + (element.id && "#" + element.id) + " " + JSON.stringify(text);
  };
  let last;
  let isTab = false;
  add.call(globalThis, "keydown", ({ key }) => { isTab = key === "Tab"; }, true);
  add.call(globalThis, "focusin", () => { isTab = false; }, true);
  const look = () => {
    const element = document.activeElement;
    if (element && element !== document.body) last = describe(element);
    else if (last !== undefined && !isTab) {
      console.error("Focus is lost after: " + last);
      last = undefined;
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);

  // Where Tab has been since the last start.
  let seen = new Set();
  globalThis.walk = {
    start() { seen = new Set(); },
    /** What is wrong with the element that has focus now; undefined at the end of the page. */
    step() {
      const element = document.activeElement;
      if (!element || element === document.body || seen.has(element)) return undefined;
      seen.add(element);
      const faults = [];
      const ring = getComputedStyle(element.closest(".editor-box") ?? element);
      if (ring.outlineStyle === "none" || parseFloat(ring.outlineWidth) < 1) faults.push("has no ring: " + describe(element));
      const box = element.getBoundingClientRect();
      const [left, top] = [Math.max(box.left, 0), Math.max(box.top, 0)];
      const [right, bottom] = [Math.min(box.right, innerWidth), Math.min(box.bottom, innerHeight)];
      const hit = right > left && bottom > top ? document.elementFromPoint((left + right) / 2, (top + bottom) / 2) : null;
      if (!hit || !(element.contains(hit) || hit.contains(element))) faults.push("is not on screen: " + describe(element));
      return faults;
    },
    missed() {
      const listed = document.querySelectorAll("a[href], area[href], button, input, select, textarea, summary, audio, video, iframe, " +
        "[contenteditable], [tabindex='0'], [role=button], [role=link], [role=tab], [role=checkbox], [role=radio], [role=switch], " +
        "[role=menuitem], [role=option], [role=treeitem], [role=slider], [role=combobox]");
      const isReached = (element) =>
        seen.has(element) ||
        // The rows of the tree are moved through with arrow keys.
        (element.role === "treeitem" && seen.has(element.closest("[role=tree]"))) ||
        // Tab reaches one radio button of a group, and arrow keys reach the others.
        (element.type === "radio" && [...seen].some(({ type, name }) => type === "radio" && name === element.name)) ||
        // A drawing of the same changes that the list below has as links.
        element.matches("svg.timeline-drawing[aria-hidden=true]");
      return [...new Set([...listed, ...clickable])]
        .filter((element) => element.isConnected && element.checkVisibility() && !element.disabled && !isReached(element))
        .map((element) => "is not reached: " + describe(element));
    },
  };
})();`;

export type Keyboard = DashboardPage & {
  press(...keys: readonly string[]): Promise<void>;
  type(text: string): Promise<void>;
  hasFocus(locator: Locator): Promise<boolean>;
  /** Presses Tab until the element has focus. */
  tabTo(locator: Locator): Promise<void>;
  /** Tabs to the element and presses Enter. */
  enter(locator: Locator): Promise<void>;
  /** Replaces the text of the field that has focus. */
  retype(text: string): Promise<void>;
  /** Waits until the element has focus without any key. */
  expectFocus(locator: Locator): Promise<void>;
};

type Options = BrowserContextOptions & {
  readonly apiKey?: string | undefined;
  readonly route?: string;
  readonly expected?: RegExp;
  readonly hosts?: readonly string[];
};

export async function openByKeyboard(browser: Browser, url: string, options: Options): Promise<Keyboard> {
  const dashboard = await openDashboard(browser, url, { ...options, script: WATCH });
  const { page } = dashboard;
  const press = async (...keys: readonly string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const hasFocus = (locator: Locator) =>
    locator.evaluate(
      (element) => element === (globalThis as never as { document: { activeElement: unknown } }).document.activeElement,
    );
  const tabTo = async (locator: Locator) => {
    await locator.waitFor();
    for (let n = 0; n < MAX_STOPS; n++) {
      if (await hasFocus(locator)) return;
      await press("Tab");
    }
    throw new Error(`Tab never reaches ${locator}`);
  };
  return {
    ...dashboard,
    press,
    hasFocus,
    tabTo,
    type: (text) => page.keyboard.type(text),
    async enter(locator) {
      await tabTo(locator);
      await press("Enter");
    },
    async retype(text) {
      await press("Control+a");
      await page.keyboard.type(text);
    },
    expectFocus: (locator) => expect.poll(() => hasFocus(locator)).toBe(true),
  };
}

/** Goes through the page with Tab, and returns what cannot be reached, or is reached and not visible. */
export async function findKeyboardFaults(page: Page): Promise<string[]> {
  const faults: string[] = [];
  // From the start of the page, wherever the focus is.
  await page.evaluate("walk.start()");
  let isRound = false;
  for (let n = 0; n < 2 * MAX_STOPS; n++) {
    await page.keyboard.press("Tab");
    const found = (await page.evaluate("walk.step()")) as string[] | undefined;
    if (found) faults.push(...found);
    // The end of the page comes before the stops in front of the first one.
    else if (isRound) break;
    isRound ||= !found;
  }
  return [...faults, ...((await page.evaluate("walk.missed()")) as string[])];
}
