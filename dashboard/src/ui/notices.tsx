// Short messages about what has happened, in a corner, and read out by screen readers. Errors stay until closed.

import { signal } from "@preact/signals";
import { adviceFor } from "../session.ts";
import { Icon } from "./icons.tsx";

type Notice = { readonly id: number; readonly text: string; readonly isError: boolean };

const STAY_MS = 5_000;
const notices = signal<readonly Notice[]>([]);
let count = 0;

export function say(text: string): void {
  const id = add(text, false);
  setTimeout(() => close(id), STAY_MS);
}

export function sayError(error: unknown): void {
  add(adviceFor(error), true);
}

function add(text: string, isError: boolean): number {
  notices.value = [...notices.value.slice(-2), { id: ++count, text, isError }];
  return count;
}

function close(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function Notices() {
  return (
    <div class="notices" role="status">
      {notices.value.map(({ id, text, isError }) => (
        <div key={id} class={isError ? "notice error" : "notice"}>
          <Icon name={isError ? "warn" : "check"} />
          <span>{text}</span>
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => close(id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
