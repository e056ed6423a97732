// Scopes as their caller sees them: globs over plain keys, which allow exactly what the scopes allow.

import { describe, expect, it } from "vitest";
import { compileGlob } from "../../memory/access/glob.ts";
import { ownScopes } from "../../memory/access/own-scopes.ts";
import { createPrincipal } from "../../memory/access/principal.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

describe("the scopes of a caller", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["their namespace's prefix is left out", ["a1b2c3d4:agent:*", "a1b2c3d4:*"], ["agent:*", "*"]],
    ["a star that spans the prefix stays", ["*"], ["*"]],
    ["a star that can end before, at, or after the prefix stays with what can follow", ["*:x"], ["*:x", "x"]],
    ["what can match no key of the namespace is left out", ["other:*", "a1b2c3d4", "a1b2c3d4:", "agent:*"], []],
    ["characters and classes match the prefix", ["????????:x", "a[0-9]b2c3d4:y", "[!a]1b2c3d4:z"], ["x", "y"]],
    ["a class with nothing in it matches nothing", ["a1b2c3d4:[z-a]", "*[z-a]*"], []],
    ["a bracket without an end is itself", ["a1b2c3d4:[x", "a1b2c3d4:*[!"], ["[x", "*[!"]],
    ["brackets stay as they were written", ["a1b2c3d4:[!a-c]]?*[*]"], ["[!a-c]]?*[*]"]],
    ["equal ones are there once", ["a1b2c3d4:x", "????????:x", "a1b2c3d4:x"], ["x"]],
    ["a scope that is too long to match is left out", [`a1b2c3d4:${"[a]".repeat(700)}*`], []],
  ])("%s", (_, scopes, own) => {
    expect(ownScopes("a1b2c3d4", scopes)).toEqual(own);
  });

  it("are as they were written where there is no namespace", () => {
    expect(ownScopes("", ["agent:*", "note", "[z-a]", "agent:*", "a?[b]"])).toEqual(["agent:*", "note", "a?[b]"]);
  });

  it("are not mistaken about a namespace that has the characters of a glob", () => {
    // The first also allows the key "bc:x", because its `*` matches "*c:b".
    expect(ownScopes("a*c", ["a*c:x", "a[*]c:y"])).toEqual(["*c:x", "x", "y"]);
  });

  it("allow exactly what the API key may do, and can never be empty", () => {
    const character = fc.constantFrom("a", "b", ":", "*", "?", "[", "]", "!", "-", "😀");
    const text = (maxLength: number) => fc.string({ unit: character, maxLength });
    const scope = fc.oneof(
      text(8),
      fc.tuple(fc.constantFrom("ab", "a", "*", "a?", "[a-b]b"), text(5)).map((all) => all.join(":")),
    );
    const property = fc.property(
      fc.oneof(fc.constantFrom("ab", "a", ""), text(3)),
      fc.array(scope, { maxLength: 3 }),
      fc.array(fc.string({ unit: character, minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 10 }),
      (userId, scopes, keys) => {
        const { namespace, allows } = createPrincipal({ userId, read: scopes, write: [] });
        const own = ownScopes(namespace, scopes);
        expect(own).not.toContain("");
        const globs = own.map(compileGlob);
        for (const key of keys)
          expect(
            globs.some((matches) => matches(key)),
            key,
          ).toBe(allows("read", key));
      },
    );
    fc.assert(property, { numRuns: runs(5_000) });
  });
});
