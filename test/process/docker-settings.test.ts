// What docker-compose.yml and the Dockerfile must name, without building the image.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";

const read = (file: string) => readFileSync(file, "utf8");
const { memx, redis } = parse(read("docker-compose.yml")).services;

describe("docker-compose.yml", () => {
  it("names every image by its version and its digest", () => {
    const { devDependencies } = JSON.parse(read("package.json"));
    const bases = [...read("Dockerfile").matchAll(/^FROM (\S+)/gm)].map(([, name]) => name as string);
    expect(new Set(bases).size).toBe(1);
    // The Node that the tests run on.
    expect(bases[0]).toMatch(new RegExp(`^node:${devDependencies.node}-bookworm-slim@sha256:[0-9a-f]{64}$`));
    expect(redis.image).toMatch(/^redis:\d+\.\d+\.\d+-bookworm@sha256:[0-9a-f]{64}$/);
    // What the digest contains is fixed; a step that installs Debian packages would have to fix their versions itself.
    expect(read("Dockerfile")).not.toMatch(/apt(-get)? .*install/);
  });

  it("passes on every setting of memX except those of another Redis", () => {
    const { REDIS_URL, ...handedOn } = memx.environment;
    const bound = [...read("config/workerd.capnp").matchAll(/fromEnvironment = "(\w+)"/g)].map(([, name]) => name);
    // memX itself names its processes, and nothing outside of a container reaches its loopback address.
    const others = ["MEMX_PROCESS", "METRICS_PORT"];
    const settings = bound.filter((name = "") => !name.startsWith("UPSTASH_") && !others.includes(name));
    expect(Object.keys(handedOn).sort()).toEqual(["PROCESSES", ...settings].sort());
    expect(Object.values(handedOn).every((value) => value === null)).toBe(true);
  });
});
