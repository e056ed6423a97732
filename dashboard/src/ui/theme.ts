// Light or dark: as the system says, until a person chooses.

import { signal } from "@preact/signals";

const STORED = "memx-theme";
export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>(readTheme());

export function applyTheme(): void {
  if (theme.value === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme.value);
}

export function chooseTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem(STORED, next);
  } catch {
    // Storage may be off; the choice then lasts as long as the page.
  }
  applyTheme();
}

function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(STORED);
    return THEMES.find((each) => each === stored) ?? "system";
  } catch {
    return "system";
  }
}
