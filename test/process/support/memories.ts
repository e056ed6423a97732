// An installed SDK, and memX on both engines, for the tests of `memx-sdk export` and `memx-sdk import`.

import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { type InstalledSdk, installSdk, type Result, run } from "./installed-sdk.ts";
import { type ENGINES, type SelfHosted, startSelfHosted } from "./self-hosted.ts";

const ACL = JSON.stringify(
  Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`key${index}`, userOf(index)])),
);

function userOf(index: number) {
  return { read: ["*"], write: ["*"], user_id: `user${String(index).padStart(4, "0")}` };
}

export let sdk: InstalledSdk;
export let memx: Record<(typeof ENGINES)[number], SelfHosted>;
let keys = 0;

/** For the top of a test file. */
export function startMemories(): void {
  beforeAll(async () => {
    sdk = installSdk();
    const settings = { MEMX_ACL: ACL, RATE_LIMIT: "0" };
    memx = { embedded: await startSelfHosted("embedded", settings), redis: await startSelfHosted("redis", settings) };
  });

  afterAll(async () => {
    sdk.remove();
    await Promise.all([memx.embedded.close(), memx.redis.close()]);
  });
}

export function sdkCli(): string {
  return join(sdk.folder, "dist/typescript/cli.js");
}

/** An API key whose namespace is empty, and the command line with it. */
export function emptyMemory(engine: (typeof ENGINES)[number] = "embedded") {
  const apiKey = `key${keys++}`;
  const { url } = memx[engine];
  const env: NodeJS.ProcessEnv & { MEMX_BASE_URL: string } = {
    PATH: process.env.PATH,
    MEMX_BASE_URL: url,
    MEMX_API_KEY: apiKey,
  };
  const cli = (args: readonly string[], input?: string | Uint8Array, flags: readonly string[] = []): Promise<Result> =>
    run(process.execPath, [...flags, sdkCli(), ...args], {
      cwd: sdk.project,
      env,
      ...(input !== undefined && { input }),
    });
  const call = (path: string, body?: string, agent?: string) =>
    memx[engine].call(path, { apiKey, ...(body !== undefined && { body }), ...(agent !== undefined && { agent }) });
  const set = (key: string, value: string, rest = "", agent?: string) =>
    call("/set", `{"key":${JSON.stringify(key)},"value":${value}${rest}}`, agent);
  return { apiKey, env, cli, call, set };
}

export type Memory = ReturnType<typeof emptyMemory>;

/** What an import keeps. */
export async function contents({ cli }: Memory): Promise<unknown[]> {
  const { stdout, code, stderr } = await cli(["export"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return lines(stdout).slice(1, -1).map(comparable);
}

function comparable(line: string) {
  const { key, event, ts, by, expires } = JSON.parse(line);
  const text = /"(?:value|schema)":(?=[^"]|".*"ts")(.*),"ts"/.exec(line.slice(line.indexOf('"key"')))?.[1];
  return { key, event, text, by, ...(event === "value" && { ts, expires: expires && Math.round(expires / 10) }) };
}

export const lines = (text: string) => text.trimEnd().split("\n");
export const summary = ({ stdout }: Result) => JSON.parse(stdout);
/** What an import counts if there is nothing to do. */
export const nothing = { written: 0, unchanged: 0, newer: 0, existing: 0, expired: 0, schemas: 0 };
