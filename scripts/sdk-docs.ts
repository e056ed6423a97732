// `npm run sdk:docs` generates docs/sdk.md, the reference of the SDK, from its types. TypeDoc needs an older TypeScript than
// the rest of the project, so the script installs both into a temporary folder.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PACKAGES = ["typedoc@0.28.20", "typedoc-plugin-markdown@4.14.1", "typescript@6.0.3", "@types/node@24.19.2"];
const root = join(import.meta.dirname, "..");

const folder = mkdtempSync(join(tmpdir(), "memx-docs-"));
try {
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const env = { ...process.env, npm_config_loglevel: "error" };
  execFileSync("npm", ["install", "--no-audit", "--no-fund", ...PACKAGES], { cwd: folder, env, stdio: "inherit" });
  cpSync(join(root, "sdk"), join(folder, "sdk"), { recursive: true });
  cpSync(join(root, "tsconfig.json"), join(folder, "tsconfig.json"));
  const options = {
    entryPoints: ["sdk/typescript/index.ts"],
    tsconfig: "sdk/typescript/tsconfig.build.json",
    plugin: ["typedoc-plugin-markdown"],
    router: "module",
    out: "out",
    readme: "none",
    name: "memx-sdk",
    disableSources: true,
    excludePrivate: true,
    hidePageHeader: true,
    hideBreadcrumbs: true,
    entryFileName: "sdk.md",
    excludeExternals: true,
    hideGroupHeadings: true,
    parametersFormat: "table",
    propertiesFormat: "table",
    interfacePropertiesFormat: "table",
    typeAliasPropertiesFormat: "table",
    classPropertiesFormat: "table",
    propertyMembersFormat: "table",
    typeDeclarationFormat: "table",
    excludeNotDocumented: true,
    logLevel: "Error",
  };
  writeFileSync(join(folder, "typedoc.json"), JSON.stringify(options));
  execFileSync(join(folder, "node_modules/.bin/typedoc"), { cwd: folder, stdio: "inherit" });
  const text = readFileSync(join(folder, "out/sdk.md"), "utf8");
  const notice = "*This page is generated from the types in sdk/typescript by `npm run sdk:docs`.*\n\n";
  writeFileSync(join(root, "docs/sdk.md"), notice + text);
} finally {
  rmSync(folder, { recursive: true });
}
