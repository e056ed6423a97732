// Which view is shown, in the fragment of the address: it never leaves the browser. `#/keys/agent%3Agoal/history`.

import { signal } from "@preact/signals";

export type Route =
  | { readonly view: "keys"; readonly key?: string; readonly tab?: KeyTab }
  | { readonly view: "new" | "live" | "connect" | "account" };

export const KEY_TABS = ["value", "history", "schema", "access"] as const;
export type KeyTab = (typeof KEY_TABS)[number];

export function readRoute(hash: string): Route {
  const [, view = "", key, tab] = hash.replace(/^#/, "").split("/");
  if (view === "new" || view === "live" || view === "connect" || view === "account") return { view };
  if (view !== "keys" || !key) return { view: "keys" };
  try {
    return { view: "keys", key: decodeURIComponent(key), tab: KEY_TABS.find((name) => name === tab) ?? "value" };
  } catch {
    return { view: "keys" }; // Not an address of this page.
  }
}

export function hrefOf(route: Route): string {
  if (route.view !== "keys" || route.key === undefined) return `#/${route.view}`;
  const tab = route.tab && route.tab !== "value" ? `/${route.tab}` : "";
  return `#/keys/${encodeURIComponent(route.key)}${tab}`;
}

export const route = signal<Route>(readRoute(location.hash));

/** Asked before the view changes; `false` keeps it, because work would be lost. */
export const guard = { mayLeave: (): boolean => true };

export function go(next: Route): void {
  location.hash = hrefOf(next);
}

export function followHash(): void {
  let shown = location.hash;
  route.value = readRoute(shown);
  addEventListener("hashchange", () => {
    if (location.hash === shown) return;
    if (!guard.mayLeave()) {
      history.replaceState(null, "", shown || "#/keys");
      return;
    }
    shown = location.hash;
    route.value = readRoute(shown);
  });
}
