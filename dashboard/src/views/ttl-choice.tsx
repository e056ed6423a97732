// How long a value that is written stays.

import type { Signal } from "@preact/signals";

export type Ttl = { readonly kind: "none" | "keep" | "seconds"; readonly seconds: string };

/** What the client sends; `undefined` for no time to live. */
export function ttlOption({ kind, seconds }: Ttl): { ttl?: number | "keep" } {
  if (kind === "none") return {};
  return { ttl: kind === "keep" ? "keep" : Number(seconds) };
}

export function ttlFault({ kind, seconds }: Ttl, maxSeconds = 31_536_000): string | undefined {
  if (kind !== "seconds") return undefined;
  const number = Number(seconds);
  return number >= 1 && number <= maxSeconds ? undefined : `Write a number of seconds from 1 to ${maxSeconds}.`;
}

type Props = { readonly id: string; readonly ttl: Signal<Ttl>; readonly mayKeep: boolean };

export function TtlChoice({ id, ttl, mayKeep }: Props) {
  const { kind, seconds } = ttl.value;
  const fault = ttlFault(ttl.value);
  return (
    <div class="ttl">
      <label for={id}>Time to live</label>
      <select
        id={id}
        value={kind}
        onChange={({ currentTarget }) => {
          ttl.value = { kind: currentTarget.value as Ttl["kind"], seconds };
        }}
      >
        <option value="none">Never expires</option>
        {mayKeep && <option value="keep">Keep the time that is left</option>}
        <option value="seconds">Expires after …</option>
      </select>
      {kind === "seconds" && (
        <>
          <input
            type="number"
            min={1}
            step="any"
            aria-label="Seconds until it expires"
            aria-invalid={fault !== undefined}
            value={seconds}
            onInput={({ currentTarget }) => {
              ttl.value = { kind, seconds: currentTarget.value };
            }}
          />
          <span>seconds</span>
        </>
      )}
    </div>
  );
}
