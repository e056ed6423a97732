// What the feed needs of a connection to memX's `/watch`: a WebSocket, or server-sent events.

import type { MemxError } from "./errors.ts";
import type { ChangeEvent } from "./events.ts";

export type LineHandlers = {
  /** `chars` is the length of the event's text. */
  readonly onChange: (event: ChangeEvent, chars: number) => void;
  /** Every change up to the revision has come. */
  readonly onReady: (revision: number) => void;
  /** A snapshot follows, until `onReady`. */
  readonly onReset: () => void;
  /** Called once, and never after `close`. The error says whether another attempt makes sense. */
  readonly onEnd: (error: MemxError) => void;
};

export type Line = {
  close(): void;
  /** Checks that memX is still there. Ends the line if nothing arrives in time. */
  ping(): void;
};
