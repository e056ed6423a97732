// On Cloudflare, the numbers of memory/metrics.ts as a data set of Workers Analytics Engine: each isolate writes what it has
// counted since it last wrote, so that a sum over the data set is that of all isolates.

import { type MetricRow, readMetrics } from "./metrics.ts";

/** Between two writes of an isolate. */
const PAUSE_MS = 10_000;

/** Data points of one write. The platform takes 250 of an invocation. What is left comes with the next write. */
const MAX_POINTS = 100;

const written = new Map<string, MetricRow["values"]>();
let writtenMs = Number.NEGATIVE_INFINITY;

/**
 * Writes a data point for each number that has changed, if there is a data set and it is time. Its first blob is the metric's
 * name, the others are the values of its labels; its doubles are the increase of a counter, the level of a gauge, or for a
 * histogram the increases of count, sum, and each bucket for itself.
 */
export function exportMetrics(dataset: AnalyticsEngineDataset | undefined, nowMs = Date.now()): void {
  if (!dataset || nowMs - writtenMs < PAUSE_MS) return;
  writtenMs = nowMs;
  let points = 0;
  for (const { name, type, labels, values } of readMetrics()) {
    const series = `${name}{${labels}}`;
    const before = written.get(series);
    if (values.every((value, index) => value === (before?.[index] ?? 0))) continue;
    if (++points > MAX_POINTS) return;
    written.set(series, values);
    dataset.writeDataPoint({
      indexes: [name],
      blobs: [name, ...Array.from(labels.matchAll(/="((?:[^"\\]|\\.)*)"/g), ([, value]) => value as string)],
      doubles: type === "gauge" ? [...values] : values.map((value, index) => value - (before?.[index] ?? 0)),
    });
  }
}
