// What an API key's list of scopes allows. How one glob matches is tested next door.

import { describe, expect, it } from "vitest";
import { compileGlob } from "../../memory/access/glob.ts";
import { compileScopes } from "../../memory/access/scopes.ts";
import fc from "../support/properties.ts";

describe("scopes", () => {
  it("allow nothing when there are none", () => {
    const allows = compileScopes([]);
    expect(allows("")).toBe(false);
    expect(allows("a1b2c3d4:agent:goal")).toBe(false);
  });

  it("allow everything with a star", () => {
    const allows = compileScopes(["*"]);
    expect(allows("")).toBe(true);
    expect(allows("a1b2c3d4:agent:goal")).toBe(true);
  });

  it("allow what any of them matches, and no more", () => {
    const allows = compileScopes(["a1b2c3d4:agent:*", "a1b2c3d4:plan", "shared:?"]);
    expect(["a1b2c3d4:agent:goal", "a1b2c3d4:plan", "shared:x"].filter(allows)).toHaveLength(3);
    expect(["agent:goal", "other:agent:goal", "a1b2c3d4:plans", "a1b2c3d4:PLAN", "shared:xy"].filter(allows)).toEqual(
      [],
    );
  });

  it("take a lone bracket as a character", () => {
    const allows = compileScopes(["n:list[", "n:list[0]"]);
    expect(allows("n:list[")).toBe(true);
    expect(allows("n:list0")).toBe(true);
    expect(allows("n:list[0]")).toBe(false);
  });

  it("know a name that is also a property of every object only if it was given", () => {
    expect(compileScopes(["a"])("constructor")).toBe(false);
    expect(compileScopes(["__proto__"])("__proto__")).toBe(true);
  });

  it("do not mind repetition", () => {
    const allows = compileScopes(["a:*", "a:*", "b", "b"]);
    expect(["a:x", "b", "c"].map(allows)).toEqual([true, true, false]);
  });

  it("say the same as asking each pattern in turn", () => {
    const text = fc.array(fc.constantFrom(..."*?[]!-ab:"), { maxLength: 5 }).map((characters) => characters.join(""));
    fc.assert(
      fc.property(fc.array(text), fc.array(text), (patterns, keys) => {
        const allows = compileScopes(patterns);
        for (const key of [...keys, ...patterns]) {
          expect(allows(key)).toBe(patterns.some((pattern) => compileGlob(pattern)(key)));
        }
      }),
      { numRuns: 500 },
    );
  });
});
