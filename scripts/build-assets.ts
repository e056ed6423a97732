// Fills dashboard/dist, the folder that the Worker's ASSETS binding serves: the dashboard, built by Vite, and the files of
// the page at /docs. Writes only what has changed, because a running memX may be reading the folder.

import { globSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build, type Rolldown } from "vite";
import { writeIfChanged } from "./write-if-changed.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, "dashboard/dist");

/** The files of Swagger UI that the page at /docs uses. */
const SWAGGER_UI = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

export async function buildAssets(): Promise<void> {
  const files = new Map<string, Uint8Array>();
  // Under Vitest, which sets it, Vite would build other files.
  const { NODE_ENV } = process.env;
  process.env.NODE_ENV = "production";
  const built = (await build({ configFile: join(root, "dashboard/vite.config.ts") })) as Rolldown.RolldownOutput;
  if (NODE_ENV === undefined) delete process.env.NODE_ENV;
  else process.env.NODE_ENV = NODE_ENV;
  for (const file of built.output) {
    files.set(file.fileName, Buffer.from(file.type === "chunk" ? file.code : file.source));
  }
  const swaggerUi = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  for (const name of SWAGGER_UI) files.set(`docs/${name}`, readFileSync(join(swaggerUi, name)));

  for (const [name, content] of files) writeIfChanged(join(folder, name), content);
  for (const path of globSync("**/*.*", { cwd: folder })) if (!files.has(path)) rmSync(join(folder, path));
}

if (import.meta.main) await buildAssets();
