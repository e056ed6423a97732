// Charts as SVG, to be read on light and on dark pages: only lines, marks and text, on no background of their own.

import { scaleBand, scaleLinear, scaleLog } from "d3-scale";

export type Line = { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] };
export type Bars = { readonly name: string; readonly values: Readonly<Record<string, number>> };

const WIDTH = 760;
const COLORS = ["#3b82f6", "#e0702c", "#8b949e", "#2da44e", "#a371f7", "#d4a017"];
const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 14px; font-weight: 600 }
  .axis { stroke: #8b949e; stroke-opacity: 0.35 }
  @media (prefers-color-scheme: dark) { text { fill: #adb5bd } }
</style>`;

/** Horizontal bars in groups, in each those of `series` that it has. */
export function barChart(title: string, series: readonly string[], groups: readonly Bars[]): string {
  const rows = Math.ceil(series.length / LEGEND_COLUMNS);
  const [left, right, top, bar, gap] = [290, 60, 62 + (rows - 1) * 18, 13, 12];
  const max = Math.max(...groups.flatMap(({ values }) => Object.values(values)));
  const x = scaleLinear([0, max], [left, WIDTH - right]);
  let y = top;
  const parts: string[] = [];
  for (const { name, values } of groups) {
    const names = series.filter((key) => values[key] !== undefined);
    const band = scaleBand(names, [y, y + names.length * bar]).paddingInner(0.15);
    parts.push(text(left - 8, y + (names.length * bar) / 2 + 4, name, "end"));
    for (const key of names) {
      const [at, value] = [band(key) ?? 0, values[key] ?? 0];
      const width = Math.max(1, x(value) - left);
      parts.push(
        `<rect x="${left}" y="${round(at)}" width="${round(width)}" height="${round(band.bandwidth())}" fill="${color(series, key)}"/>`,
        text(left + width + 5, at + bar - 3, value.toLocaleString("en-US", { maximumFractionDigits: 0 })),
      );
    }
    y += names.length * bar + gap;
  }
  return svg(y + 4, title, [...legend(series), ...parts]);
}

/** Lines over a logarithmic x. */
export function lineChart(
  title: string,
  { xLabel, yLabel, logY = false }: { xLabel: string; yLabel: string; logY?: boolean },
  lines: readonly Line[],
): string {
  const names = lines.map(({ name }) => name);
  const rows = Math.ceil(names.length / LEGEND_COLUMNS);
  const [left, right, top, bottom] = [70, 20, 70 + (rows - 1) * 18, 380];
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x));
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const x = scaleLog([Math.min(...xs), Math.max(...xs)], [left, WIDTH - right]);
  const y = logY
    ? scaleLog([Math.min(...ys), Math.max(...ys)], [bottom, top]).nice()
    : scaleLinear([0, Math.max(...ys)], [bottom, top]).nice();
  const parts: string[] = [];
  const powers = (ticks: number[]) => ticks.filter((tick) => Number.isInteger(Math.log10(tick)));
  for (const tick of logY ? powers(y.ticks()) : y.ticks(6)) {
    parts.push(`<line class="axis" x1="${left}" x2="${WIDTH - right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/>`);
    parts.push(text(left - 8, y(tick) + 4, tick.toLocaleString("en-US"), "end"));
  }
  for (const tick of [...new Set(xs)]) {
    parts.push(`<line class="axis" x1="${round(x(tick))}" x2="${round(x(tick))}" y1="${top}" y2="${bottom}"/>`);
    parts.push(text(x(tick), bottom + 18, tick.toLocaleString("en-US"), "middle"));
  }
  for (const { name, points } of lines) {
    const stroke = color(names, name);
    const path = points.map(([px, py]) => `${round(x(px))},${round(y(py))}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${stroke}" stroke-width="2"/>`);
    for (const [px, py] of points)
      parts.push(`<circle cx="${round(x(px))}" cy="${round(y(py))}" r="3" fill="${stroke}"/>`);
  }
  parts.push(text(WIDTH - right, bottom + 38, xLabel, "end"), text(left, top - 8, yLabel));
  return svg(bottom + 48, title, [...legend(names), ...parts]);
}

const LEGEND_COLUMNS = 3;

function legend(names: readonly string[]): string[] {
  const step = WIDTH / LEGEND_COLUMNS;
  return names.flatMap((name, n) => {
    const [x, y] = [8 + (n % LEGEND_COLUMNS) * step, 34 + Math.floor(n / LEGEND_COLUMNS) * 18];
    return [
      `<rect x="${x}" y="${y}" width="11" height="11" rx="2" fill="${color(names, name)}"/>`,
      text(x + 17, y + 10, name),
    ];
  });
}

function svg(height: number, title: string, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`;
  const name = escaped(title);
  return `${[head, `<title>${name}</title>`, STYLE, `<text class="title" x="8" y="18">${name}</text>`, ...parts, "</svg>"].join("\n")}\n`;
}

function text(x: number, y: number, content: string, anchor = "start"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

const color = (names: readonly string[], name: string) => COLORS[names.indexOf(name) % COLORS.length] ?? "";
const round = (number: number) => Math.round(number * 10) / 10;
const escaped = (content: string) => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
