// The pages for operators name every setting and every way to start memX.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (file: string) => readFileSync(file, "utf8");

it("docs/deploy.md and README.md name every setting of the Worker", () => {
  const settings = [...read("worker/env.d.ts").matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name as string);
  // The first two are bindings of wrangler.toml, no deployment sets the third, and memX sets the last itself.
  const others = ["RATE_LIMITER", "METRICS_DATASET", "MEMX_ENV", "MEMX_PROCESS"];
  const named = settings.filter((name) => !others.includes(name));
  const missing = (page: string) => named.filter((name) => !read(page).includes(`\`${name}\``));
  expect(named.length).toBeGreaterThan(10);
  expect([missing("docs/deploy.md"), missing("README.md")]).toEqual([[], []]);
});

it("docs/deploy.md names every setting and every command that starts memX", () => {
  const sources = read("selfhost/start.ts") + read("config/process-count.ts");
  const settings = [...sources.matchAll(/\b(MEMX_[A-Z_]+|REDIS_URL|PROCESSES)\b/g)].map(([, name]) => name as string);
  const names = ["MEMX_ACL", "MEMX_DATA_DIR", "MEMX_HOST", "MEMX_PORT", "PROCESSES", "REDIS_URL"];
  expect([...new Set(settings)].sort()).toEqual(names);
  const page = read("docs/deploy.md");
  for (const name of settings) expect(page).toContain(`\`${name}\``);
  for (const command of ["npm start", "make serve", "docker compose up"]) expect(page).toContain(command);
});
