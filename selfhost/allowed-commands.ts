// Which commands the bridge sends to Redis: those of memX, and no script but memX's own. So the bridge's token reads and
// writes what memX may read and write, and neither configures nor stops Redis.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the scripts are: in the bundle, and in a checkout. A bundle that is older than the checkout has others. */
const FOLDERS = ["../dist", "../memory/store/redis"].map((folder) => join(import.meta.dirname, folder));

/** The part that stands before scripts that write: see `createRedisStore`. */
const PRELUDE = "namespace.lua";

/** How the keys of memX begin: those of a namespace, and the one that `/health` writes to. */
const MEMX_KEY = /^\{memx:|^memx:health$/;

/** Commands that memX sends besides scripts, and the only key that it sends them for. */
const SWEEP_COMMANDS = new Set(["ZADD", "ZRANGE", "ZREM"]);
const SWEEP_KEY = "memx:expiring";

/** What the bridge makes of a command: why it must not send it, or which script it runs, if it runs one. */
export type CommandCheck = (command: readonly string[]) => {
  readonly refusal?: string | undefined;
  readonly script?: string | undefined;
};

export function createAllowList(): CommandCheck {
  let scripts = readScripts();
  const scriptOf = (digest: string) => {
    // A script may have been edited or built since: `npm run dev` reloads memX, but not the bridge.
    if (!scripts.has(digest)) scripts = readScripts();
    return scripts.get(digest);
  };
  return (parts) => {
    const [name = "", first = "", count] = parts;
    const command = name.toUpperCase();
    if (command === "PING" || (SWEEP_COMMANDS.has(command) && first === SWEEP_KEY)) return {};
    if (command === "EVALSHA" || command === "EVAL") {
      const script = scriptOf(command === "EVAL" ? sha1(first) : first.toLowerCase());
      if (script === undefined) {
        return {
          refusal:
            "The bridge runs only the scripts of memX, and this is none of them. Start memX and its bridge from the same version.",
        };
      }
      const own = parts.slice(3, 3 + Number(count)).every((key) => MEMX_KEY.test(key));
      return own ? { script } : { refusal: "The bridge runs scripts only on the keys of memX." };
    }
    return {
      refusal: `The bridge sends Redis only the commands that memX needs, and ${shown(command)} is none of them.`,
    };
  };
}

/** The scripts that memX may send, by the names that Redis gives to them. */
function readScripts(): Map<string, string> {
  const scripts = new Map<string, string>();
  for (const folder of FOLDERS) {
    if (!existsSync(join(folder, PRELUDE))) continue;
    const read = (name: string) => readFileSync(join(folder, name), "utf8");
    const prelude = read(PRELUDE);
    for (const name of readdirSync(folder)) {
      if (!name.endsWith(".lua") || name === PRELUDE) continue;
      for (const text of [read(name), prelude + read(name)]) scripts.set(sha1(text), name);
    }
  }
  return scripts;
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

/** For a message: callers may send any text as the name of a command. */
function shown(command: string): string {
  return /^[A-Z]{1,20}$/.test(command) ? command : "this";
}
