// Counts what waits in this isolate for the readers of all its streams, and ends the slowest streams when it is too much.

import { LIMITS } from "../../config/limits.ts";

export type WaitingChars = {
  /** Counts characters that now wait, or no longer wait if negative. */
  add(chars: number): void;
  /** Counts nothing from now on. */
  end(): void;
};

type Stream = { chars: number; readonly drop: () => void };

const streams = new Set<Stream>();
let total = 0;

/** @param drop forgets what waits, and ends the stream */
export function countWaiting(drop: () => void): WaitingChars {
  const stream: Stream = { chars: 0, drop };
  streams.add(stream);
  const end = (ended: Stream) => {
    if (streams.delete(ended)) total -= ended.chars;
  };
  return {
    add(chars) {
      if (!streams.has(stream)) return;
      stream.chars += chars;
      total += chars;
      while (total > LIMITS.maxUnreadIsolateChars) {
        const slowest = [...streams].reduce((a, b) => (b.chars > a.chars ? b : a));
        end(slowest);
        slowest.drop();
      }
    },
    end: () => end(stream),
  };
}
