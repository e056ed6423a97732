// Builds a Dockerfile without a Docker engine: each stage is a folder that stands for its file system, with this
// machine's programs instead of those of the base image. Supports only the instructions that our Dockerfile uses.

import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

export type Image = {
  /** Maps a path of the image to a path on this machine. */
  readonly at: (path: string) => string;
  readonly env: Record<string, string>;
  readonly workdir: string;
  readonly user: string | undefined;
  readonly volumes: readonly string[];
  readonly ports: readonly string[];
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
};

type Stage = { -readonly [Name in keyof Image]: Image[Name] };

/**
 * Stands for the image's user, which does not exist here: "nobody" if this process is root, otherwise the current user.
 */
export const USER = process.getuid?.() === 0 ? "nobody" : execFileSync("id", ["-un"], { encoding: "utf8" }).trim();

/** Returns the last stage. `folder` must be empty; COPY reads from `context`. */
export function buildImage(dockerfile: string, context: string, folder: string): Image {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const line of readFileSync(dockerfile, "utf8").split("\n")) {
    const [, instruction, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (instruction === "FROM") {
      stage = newStage(join(folder, String(stages.size)));
      stages.set(/ AS (\w+)$/.exec(rest as string)?.[1] ?? "", stage);
    } else if (instruction !== undefined) {
      if (stage === undefined) throw new Error(`${instruction} comes before FROM.`);
      follow(stage, instruction, rest as string, { context, stages });
    } else if (line !== "" && !line.startsWith("#")) {
      throw new Error(`Not an instruction: ${line}`);
    }
  }
  if (stage === undefined) throw new Error("The Dockerfile has no FROM.");
  return stage;
}

function newStage(root: string): Stage {
  const at = (path: string) => join(root, path);
  mkdirSync(at("/usr/local/bin"), { recursive: true });
  // In a place that the image's user can reach.
  cpSync(process.execPath, at("/usr/local/bin/node"));
  const env = { PATH: `${at("/usr/local/bin")}:${process.env.PATH}` };
  const nothing = { user: undefined, volumes: [], ports: [], command: [], healthcheck: [] };
  return { at, env, workdir: "/", ...nothing };
}

function follow(
  stage: Stage,
  instruction: string,
  rest: string,
  { context, stages }: { context: string; stages: ReadonlyMap<string, Stage> },
): void {
  switch (instruction) {
    case "WORKDIR":
      mkdirSync(stage.at(rest), { recursive: true });
      stage.workdir = rest;
      return;
    case "ENV":
      for (const [, name, value] of rest.matchAll(/(\w+)=(\S+)/g)) {
        stage.env[name as string] = value?.startsWith("/") ? stage.at(value) : (value as string);
      }
      return;
    case "COPY": {
      const [, from, paths] = /^(?:--from=(\w+) )?([^-].*)$/.exec(rest) ?? [];
      const sources = (paths as string).split(" ");
      const target = sources.pop() as string;
      for (const source of sources) {
        const start = from === undefined ? join(context, source) : (stages.get(from) as Stage).at(source);
        const end = stage.at(join(stage.workdir, target, target.endsWith("/") ? source : ""));
        mkdirSync(dirname(end), { recursive: true });
        cpSync(start, end, { recursive: true, verbatimSymlinks: true });
      }
      return;
    }
    case "RUN":
      // Replaces the image's paths and its user.
      execFileSync(
        "sh",
        ["-c", rest.replaceAll(/(?<= )\//g, stage.at("/")).replaceAll("chown node", `chown ${USER}`)],
        {
          cwd: stage.at(stage.workdir),
          // npm uses the registry and the cache of this machine. NODE_ENV is the tests', and npm would heed it.
          env: { ...process.env, NODE_ENV: undefined, ...stage.env, npm_config_prefer_offline: "true" },
          stdio: "pipe",
        },
      );
      return;
    case "USER":
      stage.user = rest;
      return;
    case "VOLUME":
      stage.volumes = rest.split(" ");
      return;
    case "EXPOSE":
      stage.ports = rest.split(" ");
      return;
    case "CMD":
      stage.command = JSON.parse(rest);
      return;
    case "HEALTHCHECK":
      stage.healthcheck = JSON.parse(/ CMD (\[.*\])$/.exec(rest)?.[1] as string);
      return;
    default:
      throw new Error(`${instruction} is not supported.`);
  }
}

/** Makes the folders readable for all users, as in an image. */
export function openToAll(folder: string): void {
  for (const path of [folder, ...globSync("*", { cwd: folder }).map((name) => join(folder, name))])
    chmodSync(path, 0o755);
}
