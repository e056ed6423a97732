// The numbers of memX as data points of Workers Analytics Engine. The platform's binding has no way to read them back, so the
// test has its own.

import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { exportMetrics } from "../../memory/export-metrics.ts";
import { METRICS, readMetrics } from "../../memory/metrics.ts";
import { fetchWith } from "../support/fetch-with.ts";

class Dataset implements AnalyticsEngineDataset {
  readonly points: AnalyticsEngineDataPoint[] = [];

  writeDataPoint(point?: AnalyticsEngineDataPoint): void {
    if (point) this.points.push(point);
  }

  of(...blobs: string[]): number[][] {
    return this.points
      .filter((point) => JSON.stringify(point.blobs) === JSON.stringify(blobs))
      .map(({ doubles = [] }) => doubles);
  }
}

/** Later than any other write of this isolate. */
let nowMs = Date.now() + 1e9;

/** Writes until nothing is left. */
function drain(dataset = new Dataset()): Dataset {
  for (let count = -1; count !== dataset.points.length; ) {
    count = dataset.points.length;
    nowMs += 60_000;
    exportMetrics(dataset, nowMs);
  }
  return dataset;
}

it("writes what has happened since it last wrote, for each combination of labels", () => {
  drain();
  METRICS.requests.add("/a route", "200");
  METRICS.requests.add("/a route", "200");
  METRICS.requests.add('/a "route"', "503");
  METRICS.resets.add();
  METRICS.sockets.set("an id", "key", 3);
  METRICS.requestSeconds.observe(0.03, "/a route");
  METRICS.requestSeconds.observe(100, "/a route");
  const first = drain();
  expect(first.of("memx_requests", "/a route", "200")).toEqual([[2]]);
  expect(first.of("memx_requests", '/a \\"route\\"', "503")).toEqual([[1]]);
  expect(first.of("memx_resets")).toEqual([[1]]);
  expect(first.of("memx_sockets", "key")).toEqual([[3]]);
  const [[count, sum, ...buckets] = []] = first.of("memx_request_duration_seconds", "/a route");
  expect([count, sum]).toEqual([2, 100.03]);
  expect(buckets).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  for (const { indexes, blobs, doubles = [] } of first.points) {
    expect(indexes).toEqual([blobs?.[0]]);
    // Limits of the platform.
    expect(doubles.length).toBeLessThanOrEqual(20);
  }

  expect(drain().points).toEqual([]);
  METRICS.requests.add("/a route", "200");
  METRICS.sockets.set("an id", "key", 1);
  const second = drain();
  expect(second.points).toHaveLength(2);
  expect(second.of("memx_requests", "/a route", "200")).toEqual([[1]]);
  // The level, and no increase.
  expect(second.of("memx_sockets", "key")).toEqual([[1]]);
});

it("writes seldom, and few points at a time", () => {
  drain();
  for (let n = 0; n < 250; n++) METRICS.requests.add(`/${n}`, "200");
  const dataset = new Dataset();
  nowMs += 60_000;
  exportMetrics(dataset, nowMs);
  expect(dataset.points).toHaveLength(100);
  exportMetrics(dataset, nowMs + 9_000);
  expect(dataset.points).toHaveLength(100);
  drain(dataset);
  expect(new Set(dataset.points.map(({ blobs }) => blobs?.[1])).size).toBe(250);
});

it("counts requests and calls to the store if there is a data set and no token", async () => {
  const total = (metric: string) =>
    readMetrics()
      .filter(({ name }) => name === metric)
      .reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
  const read = async (METRICS_DATASET: AnalyticsEngineDataset | undefined) => {
    const before = [total("memx_requests"), total("memx_store_duration_seconds")];
    const headers = { "x-api-key": "local_dev_key" };
    const response = await fetchWith({ ...env, METRICS_DATASET })("/get?key=a", { headers });
    expect(response.status).toBe(200);
    return [total("memx_requests"), total("memx_store_duration_seconds")].map((after, at) => after - (before[at] ?? 0));
  };
  expect(await read(undefined)).toEqual([0, 0]);
  expect(await read(new Dataset())).toEqual([1, 1]);
});
