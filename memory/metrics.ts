// What memX counts for `GET /metrics`, in the memory of this isolate. On workerd the Worker and its Durable Objects share one
// isolate, so it is all of a process. Written by hand, because the libraries for Prometheus need Node's APIs.

type Labels = readonly string[];

type Sample = { readonly suffix: string; readonly labels: string; readonly value: number };

type Metric = {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly samples: () => Sample[];
  /** The same numbers, one row for each combination of labels: one, or count, sum and buckets. */
  readonly rows: () => MetricRow[];
};

export type MetricRow = { readonly labels: string; readonly values: readonly number[] };

const metrics: Metric[] = [];

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is counted for each combination of labels. It is found by the values alone: to write out the labels costs more than to count. */
class Series<T> {
  readonly #byValues = new Map<string, { readonly labels: string; readonly counted: T }>();
  readonly #names: Labels;
  readonly #begin: () => T;

  constructor(names: Labels, begin: () => T) {
    this.#names = names;
    this.#begin = begin;
    if (names.length === 0) this.of([]);
  }

  of(values: Labels): T {
    const key = values.length > 1 ? values.join("\0") : (values[0] ?? "");
    let known = this.#byValues.get(key);
    if (!known) {
      known = { labels: labelsOf(this.#names, values), counted: this.#begin() };
      this.#byValues.set(key, known);
    }
    return known.counted;
  }

  map<R>(read: (labels: string, counted: T) => R): R[] {
    return Array.from(this.#byValues.values(), ({ labels, counted }) => read(labels, counted));
  }
}

/** Things that happened, by the values of their labels, which must be few. Without labels it begins at 0. */
class Counter {
  readonly #series: Series<{ count: number }>;

  constructor(name: string, help: string, names: Labels) {
    this.#series = new Series(names, () => ({ count: 0 }));
    const samples = () => this.#series.map((labels, { count }) => ({ suffix: "_total", labels, value: count }));
    const rows = () => this.#series.map((labels, { count }) => ({ labels, values: [count] }));
    metrics.push({ name, type: "counter", help, samples, rows });
  }

  add(...values: Labels): void {
    this.#series.of(values).count++;
  }
}

class Histogram {
  readonly #series: Series<{ readonly counts: number[]; sum: number; count: number }>;
  readonly #bounds: readonly number[];

  constructor(name: string, help: string, names: Labels, bounds: readonly number[]) {
    this.#series = new Series(names, () => ({ counts: bounds.map(() => 0), sum: 0, count: 0 }));
    this.#bounds = bounds;
    metrics.push({ name, type: "histogram", help, samples: () => this.#samples(), rows: () => this.#rows() });
  }

  observe(amount: number, ...values: Labels): void {
    const series = this.#series.of(values);
    series.count++;
    series.sum += amount;
    const bucket = this.#bounds.findIndex((bound) => amount <= bound);
    if (bucket !== -1) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
  }

  #rows(): MetricRow[] {
    return this.#series.map((labels, { counts, sum, count }) => ({
      labels,
      values: [count, sum, ...this.#bounds.map((_, index) => counts[index] ?? 0)],
    }));
  }

  #samples(): Sample[] {
    const series = this.#series.map((labels, { counts, sum, count }) => {
      let below = 0;
      const buckets = this.#bounds.map((bound, index) => {
        below += counts[index] ?? 0;
        return { suffix: "_bucket", labels: join(labels, `le="${bound}"`), value: below };
      });
      return [
        ...buckets,
        { suffix: "_bucket", labels: join(labels, 'le="+Inf"'), value: count },
        { suffix: "_sum", labels, value: sum },
        { suffix: "_count", labels, value: count },
      ];
    });
    return series.flat();
  }
}

function labelsOf(names: Labels, values: Labels): string {
  return names.map((name, index) => `${name}=${quote(values[index] ?? "")}`).join(",");
}

/** As both formats escape it. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}

function join(labels: string, label: string): string {
  return labels === "" ? label : `${labels},${label}`;
}

/** A number of each object, added up by a label. Each channel corrects its numbers when it wakes for its alarm. */
class Gauge<Label extends string> {
  readonly #byObject = new Map<string, { readonly label: Label; readonly count: number }>();

  constructor(name: string, help: string, label: { readonly name: string; readonly values: readonly Label[] }) {
    const sums = () =>
      label.values.map((value) => ({ labels: labelsOf([label.name], [value]), value: this.#sum(value) }));
    const samples = () => sums().map((sum) => ({ suffix: "", ...sum }));
    const rows = () => sums().map(({ labels, value }) => ({ labels, values: [value] }));
    metrics.push({ name, type: "gauge", help, samples, rows });
  }

  set(id: string, label: Label, count: number): void {
    if (count <= 0) this.#byObject.delete(id);
    else this.#byObject.set(id, { label, count });
  }

  change(id: string, label: Label, by: 1 | -1): void {
    this.set(id, label, (this.#byObject.get(id)?.count ?? 0) + by);
  }

  #sum(label: Label): number {
    let sum = 0;
    for (const each of this.#byObject.values()) if (each.label === label) sum += each.count;
    return sum;
  }
}

export const METRICS = {
  requests: new Counter("memx_requests", "HTTP requests, except WebSockets.", ["route", "status"]),
  requestSeconds: new Histogram(
    "memx_request_duration_seconds",
    "Time until the response to an HTTP request began, except WebSockets.",
    ["route"],
    SECONDS,
  ),
  authentications: new Counter("memx_authentications", "Callers, by what became of their API key.", ["outcome"]),
  storeSeconds: new Histogram(
    "memx_store_duration_seconds",
    "Time of the calls to the store.",
    ["operation", "outcome"],
    SECONDS,
  ),
  commitWrites: new Histogram(
    "memx_commit_writes",
    "Writes that the embedded store has committed together.",
    [],
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
  ),
  changes: new Counter("memx_changes", "Changes that callers have made, each of them in the log.", ["event", "action"]),
  keysCreated: new Counter("memx_keys_created", "Values that were set where a key held none.", []),
  sockets: new Gauge(
    "memx_sockets",
    "Open sockets, of channels of one key and of channels of all keys of a namespace.",
    {
      name: "channel",
      values: ["key", "namespace"],
    },
  ),
  subscriptions: new Counter("memx_subscriptions", "Sockets that channels have accepted.", []),
  eventsSent: new Counter("memx_events_sent", "Messages that channels have sent to sockets.", []),
  resets: new Counter("memx_resets", "Subscribers that had to start over with a snapshot.", []),
  slowConsumers: new Counter("memx_slow_consumers_closed", "Sockets closed because the client read too slowly.", []),
  publishFailures: new Counter("memx_publish_failures", "Changes that could not be announced to a channel.", []),
  repairs: new Counter(
    "memx_channel_repairs",
    "Comparisons with the store in which a channel found changes that nothing had announced to it yet.",
    [],
  ),
  repairFailures: new Counter("memx_channel_repair_failures", "Repairs of a channel that failed.", []),
  lagRevisions: new Histogram(
    "memx_channel_lag_revisions",
    "Changes that the channel of a namespace was behind the store when it last compared.",
    [],
    [0, 1, 10, 100, 1_000, 10_000],
  ),
  relays: new Gauge("memx_relays", "Relays that are registered with a channel, and with the head of a region.", {
    name: "parent",
    values: ["channel", "head"],
  }),
  forwards: new Counter("memx_relay_forwards", "Calls that took changes to a relay, by what became of them.", [
    "outcome",
  ]),
  relaysBehind: new Counter(
    "memx_relays_behind",
    "Relays that were told to read the log, because changes for them were dropped or did not arrive.",
    [],
  ),
  relaysDropped: new Counter("memx_relays_dropped", "Relays that were dropped because calls to them kept failing.", []),
} as const;

/** Whether something reads them. */
export function isMetered(env: Pick<Env, "METRICS_TOKEN" | "METRICS_PORT" | "METRICS_DATASET">): boolean {
  return Boolean(env.METRICS_TOKEN || env.METRICS_PORT || env.METRICS_DATASET);
}

/** All of them, as numbers. */
export function readMetrics(): (MetricRow & { readonly name: string; readonly type: Metric["type"] })[] {
  return metrics.flatMap(({ name, type, rows }) => rows().map((row) => ({ name, type, ...row })));
}

/** The text of all metrics, in OpenMetrics 1.0 or else in Prometheus's own format. */
export function renderMetrics(info: Readonly<Record<string, string>>, openMetrics: boolean): string {
  const labels = labelsOf(Object.keys(info), Object.values(info));
  const about: Metric = {
    name: "memx_build_info",
    type: "gauge",
    help: "Which memX this is.",
    samples: () => [{ suffix: "", labels, value: 1 }],
    rows: () => [],
  };
  const lines = [about, ...metrics].flatMap(({ name, type, help, samples }) => {
    // There, the name of a counter is without the suffix of its samples.
    const family = type === "counter" && !openMetrics ? `${name}_total` : name;
    return [
      `# HELP ${family} ${help}`,
      `# TYPE ${family} ${type}`,
      ...samples().map(({ suffix, labels, value }) => `${name}${suffix}${labels === "" ? "" : `{${labels}}`} ${value}`),
    ];
  });
  return [...lines, ...(openMetrics ? ["# EOF"] : []), ""].join("\n");
}
