// Where the keyboard goes on when the element that has focus is gone: the page never falls back to its start.

/** Gives focus to an element that the next render shows, unless the person has gone on to another one. */
export function focusOn(id: string): void {
  setTimeout(() => document.querySelector("article:focus") && document.getElementById(id)?.focus());
}

/** If the focused element goes, the nearest part of the page around it that stays takes the focus, or else the view. */
export function keepFocus(): void {
  let path: HTMLElement[] = [];
  const isThere = (element: HTMLElement) => element.checkVisibility() && !element.matches(":disabled");
  addEventListener("focusin", ({ target }) => {
    path = [];
    for (let part = target as HTMLElement | null | undefined; part; part = parent(part)) path.push(part);
  });
  new MutationObserver(() => {
    if (path[0] && isThere(path[0])) return;
    const next = path.find(isThere) ?? (path[0] && document.querySelector("main"));
    if (!next) return;
    // Sets the attribute, without which a part takes no focus.
    next.tabIndex = Math.max(next.tabIndex, -1);
    next.focus({ preventScroll: true });
  }).observe(document.body, { childList: true, subtree: true, attributeFilter: ["class", "disabled"] });
}

const parent = (part: HTMLElement) => part.parentElement?.closest<HTMLElement>("[tabindex], section, article");
