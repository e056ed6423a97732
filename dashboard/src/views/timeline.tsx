// Who wrote what when: a lane for each writer. The table beneath the drawing says the same in words.

import { toLanes } from "../live/lanes.ts";
import type { Seen } from "../live/ring.ts";
import { formatClock } from "../ui/clock.tsx";
import { go } from "./route.ts";

const WIDTH = 800;
const LANE = 22;

/** For a mouse; the list of changes has links to the same keys. */
function openMark({ target }: Event): void {
  const key = (target as Element).getAttribute("data-key");
  if (key !== null) go({ view: "keys", key, tab: "history" });
}

export function Timeline({ items }: { readonly items: readonly Seen[] }) {
  const { from, to, lanes } = toLanes(items);
  const height = lanes.length * LANE;
  return (
    <section class="timeline" aria-label="Who wrote what when">
      <div class="timeline-grid">
        <ul class="timeline-names">
          {lanes.map(({ name, count, lastKey }) => (
            <li key={name} style={{ height: `${LANE}px` }}>
              <span class="timeline-name">{name}</span>
              <span class="muted">
                {count}
                <span class="sr-only"> changes, the last one of {lastKey}</span>
              </span>
            </li>
          ))}
        </ul>
        <svg
          class="timeline-drawing"
          viewBox={`0 0 ${WIDTH} ${height}`}
          preserveAspectRatio="none"
          height={height}
          aria-hidden="true"
          onClick={openMark}
        >
          {lanes.map((lane, row) => (
            <g key={lane.name} class={`lane lane-${row % 6}`}>
              <line x1="0" x2={WIDTH} y1={row * LANE + LANE / 2} y2={row * LANE + LANE / 2} />
              {lane.marks.map(({ at, seen }) => (
                <rect
                  key={seen.revision}
                  data-key={seen.key}
                  x={at * (WIDTH - 5)}
                  y={row * LANE + 4}
                  width="5"
                  height={LANE - 8}
                  rx="2"
                  class={`mark-${seen.action}`}
                >
                  <title>{`${seen.key} · ${seen.action} · ${formatClock(seen.ts)}`}</title>
                </rect>
              ))}
            </g>
          ))}
        </svg>
      </div>
      <div class="timeline-axis muted" aria-hidden="true">
        <span>{formatClock(from)}</span>
        <span>{formatClock(to)}</span>
      </div>
    </section>
  );
}
