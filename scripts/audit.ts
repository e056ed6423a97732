// `npm run audit`: asks the registry for known vulnerabilities of the packages in package-lock.json. Every advisory fails
// that EXPLAINED does not name. A registry without advisory data checks nothing, and the output says so.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Counts } from "./run-tests.ts";

/** Advisories that do not concern memX: the end of their URL, such as "GHSA-xxxx-xxxx-xxxx", with the reason. */
export const EXPLAINED: Readonly<Record<string, string>> = {};

/** How registries respond that have no such endpoint. */
const NO_ADVISORIES = [404, 405, 501];

/** What `npm audit --json` prints. */
type Report =
  | { readonly vulnerabilities: Readonly<Record<string, { readonly via: readonly (Advisory | string)[] }>> }
  | { readonly message?: string; readonly statusCode?: number; readonly error?: { readonly summary?: string } };

type Advisory = {
  readonly name: string;
  readonly url: string;
  readonly title: string;
  readonly severity: string;
  readonly range: string;
};

type Verdict = Counts & { readonly lines: readonly string[] };

if (import.meta.main) {
  const { failed } = audit();
  process.exit(failed === 0 ? 0 : 1);
}

export function audit(): Counts {
  const { stdout, stderr } = spawnSync("npm", ["audit", "--json"], {
    cwd: join(import.meta.dirname, ".."),
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  let report: Report;
  try {
    report = JSON.parse(stdout);
  } catch {
    report = { message: `npm audit printed no JSON.\n${stdout}${stderr}` };
  }
  const { lines, ...counts } = judge(report, EXPLAINED);
  console.log(lines.join("\n"));
  return counts;
}

/** @param explained Reasons by advisory. One without its advisory fails, so that the list stays true. */
export function judge(report: Report, explained: Readonly<Record<string, string>>): Verdict {
  if (!("vulnerabilities" in report)) {
    const { statusCode, message, error } = report;
    if (statusCode !== undefined && NO_ADVISORIES.includes(statusCode)) {
      const note = `not checked: the registry has no advisory data (status ${statusCode})`;
      return {
        lines: [`npm audit: ${note}. No package was compared with known vulnerabilities.`],
        passed: 0,
        failed: 0,
        note,
      };
    }
    return { lines: [`npm audit failed: ${message || error?.summary || "no reason given"}`], passed: 0, failed: 1 };
  }
  const found = new Map<string, Advisory>();
  for (const { via } of Object.values(report.vulnerabilities)) {
    // A text names another vulnerable package, which has its own entry.
    for (const advisory of via)
      if (typeof advisory !== "string") found.set(`${advisory.name} ${advisory.url}`, advisory);
  }
  const idOf = ({ url }: Advisory) => url.split("/").at(-1) ?? url;
  const ids = new Set([...found.values()].map(idOf));
  const outdated = Object.keys(explained).filter((id) => !ids.has(id));
  const open = [...found.values()].filter((advisory) => explained[idOf(advisory)] === undefined);
  const lines = [...found.values()].map((advisory) => {
    const { name, range, severity, title, url } = advisory;
    const reason = explained[idOf(advisory)];
    return `${severity}: ${name} ${range}: ${title} (${url})${reason === undefined ? "" : `\n  Does not concern memX: ${reason}`}`;
  });
  for (const id of outdated)
    lines.push(`EXPLAINED in scripts/audit.ts names ${id}, which concerns no package any more.`);
  const failed = open.length + outdated.length;
  if (failed === 0) lines.push("npm audit: no vulnerability that concerns memX is known.");
  return { lines, passed: failed === 0 ? 1 : 0, failed };
}
