// Joins the metrics of several processes into one text, in which each number says of which process it is.

/**
 * @param texts what `GET /metrics` of each process responds with, all in the same of the two formats, and `undefined` for a
 * process that does not respond. The first is process 1.
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec
 */
export function mergeMetrics(texts: readonly (string | undefined)[]): string {
  const families = new Map<string, { readonly header: string[]; readonly samples: string[] }>();
  let end = "";
  for (const [index, text] of texts.entries()) {
    let family = "";
    for (const line of text?.split("\n") ?? []) {
      if (line === "# EOF") end = `${line}\n`;
      else if (line.startsWith("# ")) {
        family = line.split(" ")[2] as string;
        const known = families.get(family) ?? { header: [], samples: [] };
        families.set(family, known);
        if (!known.header.includes(line)) known.header.push(line);
      } else if (line !== "") families.get(family)?.samples.push(withProcess(line, index + 1));
    }
  }
  const up = texts.map((text, index) => `memx_process_up{process="${index + 1}"} ${text === undefined ? 0 : 1}`);
  const lines = [
    "# HELP memx_process_up Whether the process responds.",
    "# TYPE memx_process_up gauge",
    ...up,
    ...Array.from(families.values(), ({ header, samples }) => [...header, ...samples]).flat(),
  ];
  return `${lines.join("\n")}\n${end}`;
}

/** A name has no brace and no space, and the text of a label may have both. */
function withProcess(sample: string, process: number): string {
  const end = sample.search(/[{ ]/);
  const rest = sample.slice(end);
  const label = `process="${process}"`;
  return sample.slice(0, end) + (rest.startsWith("{") ? `{${label},${rest.slice(1)}` : `{${label}}${rest}`);
}
