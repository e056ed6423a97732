// What the live view lists: the changes since the page was opened, or a replay of the log that goes on live. Paused, it stands
// still while the memory goes on.

import { signal } from "@preact/signals";
import type { ChangeEvent, Subscription } from "../../../sdk/typescript/index.ts";
import type { Exact } from "../json/codec.ts";
import { findLogStart } from "../keys/changes.ts";
import { type Memory, toSeen } from "../keys/memory.ts";
import { Ring, type Seen } from "./ring.ts";

const MAX_REPLAYED = 5_000;
const FLUSH_MS = 100;

export class FeedModel {
  readonly version = signal(0);
  readonly isPaused = signal(false);
  readonly isReplay = signal(false);
  readonly note = signal("");
  readonly #memory: Memory;
  readonly #stop: () => void;
  #paused: readonly Seen[] = [];
  #replayed: Ring | undefined;
  #waiting: Seen[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #replay: Subscription | undefined;

  constructor(memory: Memory) {
    this.#memory = memory;
    this.#stop = memory.content.subscribe(() => {
      if (!this.isPaused.peek() || this.version.peek() === 0) this.version.value = this.version.peek() + 1;
    });
  }

  /** Oldest first. */
  items(): readonly Seen[] {
    return this.isPaused.value ? this.#paused : this.#all();
  }

  /** How many changes have come since the pause. */
  missed(): number {
    this.#memory.content.value;
    const last = this.#paused.at(-1)?.revision ?? 0;
    return this.isPaused.value ? this.#all().filter(({ revision }) => revision > last).length : 0;
  }

  togglePause(): void {
    this.#paused = this.#all();
    this.isPaused.value = !this.isPaused.value;
  }

  /** Replays as far back as the log reaches. */
  async replayAll(): Promise<void> {
    try {
      const { readChanges, head, whoami } = this.#memory;
      this.replay(await findLogStart(readChanges, head, whoami.limits.log ?? 1_000));
    } catch (error) {
      this.note.value = (error as Error).message;
    }
  }

  replay(since: number): void {
    this.endReplay();
    const ring = new Ring(MAX_REPLAYED);
    this.#replayed = ring;
    this.isReplay.value = true;
    this.isPaused.value = false;
    this.note.value = `Replaying what came after revision ${since}, and then live.`;
    const options = {
      event: "all",
      since,
      onReset: () => {
        this.note.value = `The log no longer reaches back to revision ${since}. These are the current values, and then what comes.`;
      },
    } as const;
    const hear = (event: ChangeEvent<Exact>) => {
      this.#waiting.push(toSeen(event));
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        ring.add(this.#waiting);
        this.#waiting = [];
        this.version.value++;
      }, FLUSH_MS);
    };
    this.#replay = this.#memory.memx.watch<Exact, typeof options>("*", hear, options);
    this.#replay.done.catch((error: Error) => {
      this.note.value = `The replay ended: ${error.message}`;
    });
  }

  endReplay(): void {
    this.#replay?.close();
    clearTimeout(this.#timer);
    this.#timer = this.#replay = this.#replayed = undefined;
    this.#waiting = [];
    this.isReplay.value = false;
    this.note.value = "";
    this.version.value++;
  }

  close(): void {
    this.endReplay();
    this.#stop();
  }

  #all(): readonly Seen[] {
    return (this.#replayed ?? this.#memory.seen).items;
  }
}
