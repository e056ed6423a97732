// The charts of a run, each under the name of its file.

import { OPERATIONS } from "./operations.ts";
import { barChart, lineChart } from "./plot.ts";
import type { Results } from "./results.ts";
import { median } from "./statistics.ts";

const CONTESTANTS = ["memX embedded", "memX on Redis", "floor", "etcd"];

/** Those of which a chart says more than the table. */
export function charts({ throughput, delivery, growth }: Results): Map<string, string> {
  const made = new Map<string, string>();
  if (throughput) {
    const groups = OPERATIONS.map(({ name, what }) => {
      const of = throughput.filter(({ operation }) => operation === name);
      return {
        name: what.replace(/, one key per connection$/, ""),
        values: Object.fromEntries(of.map(({ contestant, perSecond }) => [contestant, median(perSecond)])),
      };
    });
    const measured = groups.filter(({ values }) => Object.keys(values).length > 0);
    made.set("throughput.svg", barChart("Answers a second; longer is better", CONTESTANTS, measured));
  }
  if (delivery) {
    const names = [...new Set(delivery.map(({ contestant, feed }) => `${contestant}, ${feed}`))];
    const lines = names.map((name) => ({
      name,
      points: delivery
        .filter(({ contestant, feed }) => `${contestant}, ${feed}` === name)
        .map(({ subscribers, lastMs }) => [subscribers, median(lastMs)] as const)
        .toSorted(([a], [b]) => a - b),
    }));
    const axes = { xLabel: "subscribers", yLabel: "ms", logY: true };
    made.set("delivery.svg", lineChart("From a set to its last subscriber; lower is better", axes, lines));
  }
  if (growth) {
    const names = [...new Set(growth.map(({ contestant }) => contestant))];
    const lines = names.flatMap((name) => {
      const of = growth.filter(({ contestant }) => contestant === name);
      return [
        { name: `get, ${name}`, points: of.map(({ keys, getPerSecond }) => [keys, getPerSecond] as const) },
        { name: `set, ${name}`, points: of.map(({ keys, setPerSecond }) => [keys, setPerSecond] as const) },
      ];
    });
    const axes = { xLabel: "keys", yLabel: "a second" };
    made.set("growth.svg", lineChart("Gets and sets a second of keys at random; higher is better", axes, lines));
  }
  return made;
}
