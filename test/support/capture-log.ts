// The log in a test that provokes an entry of it. The test asserts the entry, and a passing run prints none.

import { onTestFinished, vi } from "vitest";

/** Captures the log until the end of the test. Returns the `event` of each entry, as they come. */
export function captureLog(): readonly string[] {
  const events: string[] = [];
  for (const level of ["warn", "error"] as const) {
    const spy = vi.spyOn(console, level).mockImplementation((entry) => {
      events.push(entry?.event ?? String(entry));
    });
    onTestFinished(() => spy.mockRestore());
  }
  return events;
}
