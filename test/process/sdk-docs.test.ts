// The documents say the same about the wire contract as the contract itself.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PING_INTERVAL_SECONDS } from "../../sdk/protocol.ts";
import { openApiDocument } from "../../worker/openapi/document.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");

it.each([
  ["the OpenAPI document", JSON.stringify(openApiDocument)],
  ["README.md", read("README.md")],
  ["docs/protocol.md", read("docs/protocol.md")],
  ["sdk/typescript/README.md", read("sdk/typescript/README.md")],
])("%s names the ping interval of the contract", (_, text) => {
  const named = text.matchAll(/\bping(?:s|ed)?\b[\s\S]{0,200}?\bevery\s+(\d+)\s+s(?:econds)?\b/g);
  expect(new Set(Array.from(named, ([, seconds]) => Number(seconds)))).toEqual(new Set([PING_INTERVAL_SECONDS]));
});
