// Times that go on: only the small components here render every second.

import { signal } from "@preact/signals";
import { formatAge, formatDuration } from "../json/describe.ts";

/** Seconds since the epoch. */
export const now = signal(Date.now() / 1_000);
setInterval(() => {
  if (!document.hidden) now.value = Date.now() / 1_000;
}, 1_000);

export function Countdown({ expires }: { readonly expires: number }) {
  return <>{formatDuration(expires - now.value)}</>;
}

export function Age({ ts }: { readonly ts: number }) {
  return (
    <time dateTime={new Date(ts * 1_000).toISOString()} title={formatTime(ts)}>
      {formatAge(now.value - ts)}
    </time>
  );
}

export function formatTime(ts: number): string {
  return new Date(ts * 1_000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function formatClock(ts: number): string {
  return new Date(ts * 1_000).toLocaleTimeString(undefined, { hour12: false });
}
