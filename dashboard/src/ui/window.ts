// Which rows of a long list are on screen. Rows have a fixed height, so a list of any length costs a screenful.

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Rows above and below the screen, so that scrolling shows no gap. */
const MARGIN = 12;

export type Window = {
  readonly ref: RefObject<HTMLDivElement | null>;
  readonly from: number;
  readonly to: number;
  /** Rows that fit on the screen. */
  readonly page: number;
  scrollTo(index: number): void;
};

export function useWindow(count: number, rowHeight: number): Window {
  const ref = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    let frame = 0;
    const read = () => {
      frame = 0;
      // In whole rows, so that a few pixels of scrolling render nothing.
      top.value = Math.floor(box.scrollTop / rowHeight);
      height.value = box.clientHeight;
    };
    const later = () => {
      frame ||= requestAnimationFrame(read);
    };
    read();
    const sizes = new ResizeObserver(later);
    sizes.observe(box);
    box.addEventListener("scroll", later, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      sizes.disconnect();
      box.removeEventListener("scroll", later);
    };
  }, [rowHeight, top, height]);
  const page = Math.max(1, Math.floor(height.value / rowHeight));
  const from = Math.max(0, Math.min(top.value, count) - MARGIN);
  return {
    ref,
    from,
    to: Math.min(count, top.value + page + MARGIN + 1),
    page,
    scrollTo(index) {
      const box = ref.current;
      if (!box) return;
      const [start, end] = [index * rowHeight, (index + 1) * rowHeight];
      if (start < box.scrollTop) box.scrollTop = start;
      else if (end > box.scrollTop + box.clientHeight) box.scrollTop = end - box.clientHeight;
    },
  };
}
