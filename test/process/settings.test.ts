// The pages for operators name every setting and every way to start memX.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (file: string) => readFileSync(file, "utf8");

it("docs/deploy.md and README.md name every setting of the Worker", () => {
  const settings = [...read("worker/env.d.ts").matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name as string);
  // The first is a binding of wrangler.toml, and no deployment sets the second.
  const named = settings.filter((name) => name !== "RATE_LIMITER" && name !== "MEMX_ENV");
  const missing = (page: string) => named.filter((name) => !read(page).includes(`\`${name}\``));
  expect(named.length).toBeGreaterThan(10);
  expect([missing("docs/deploy.md"), missing("README.md")]).toEqual([[], []]);
});

it("docs/deploy.md names every setting and every command that starts memX", () => {
  const settings = [...read("selfhost/start.ts").matchAll(/\b(MEMX_[A-Z_]+|REDIS_URL)\b/g)].map(
    ([, name]) => name as string,
  );
  expect([...new Set(settings)].sort()).toEqual(["MEMX_ACL", "MEMX_DATA_DIR", "MEMX_HOST", "MEMX_PORT", "REDIS_URL"]);
  const page = read("docs/deploy.md");
  for (const name of settings) expect(page).toContain(`\`${name}\``);
  for (const command of ["npm start", "make serve", "docker compose up"]) expect(page).toContain(command);
});
