// Namespaces do not meet: whatever a key is named, encoded or not, it is its owner's alone, and is raw wherever it is seen.

import { expect, it } from "vitest";
import { type Agent, createAgent } from "../support/agent.ts";
import { runs } from "../support/long-runs.ts";
import fc from "../support/properties.ts";

const NAMESPACE = "n1n2n3n4";

/** Names as an attacker would choose them, who knows how stores and channels name things. */
const key = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
    fc
      .array(
        fc.constantFrom(
          NAMESPACE,
          ":",
          "{",
          "}",
          "memx",
          "namespace",
          "/",
          "..",
          "%3A",
          "%",
          "*",
          '["',
          '","',
          '"]',
          "a",
          "\\",
          "\u{1F600}",
        ),
        { minLength: 1, maxLength: 6 },
      )
      .map((parts) => parts.join("")),
  )
  .filter((name) => !/\p{Cc}/u.test(name));

/** Every way in which a key's name can be sent and told. */
async function readEverything(agent: Agent, name: string): Promise<string> {
  const encoded = encodeURIComponent(name);
  const paths = [
    `/get?key=${encoded}`,
    `/schema?key=${encoded}`,
    `/history?key=${encoded}`,
    `/changes?pattern=${encodeURIComponent(name.slice(0, 100))}&since=0&wait=0`,
  ];
  const texts = [];
  for (const path of paths) texts.push(await (await agent.fetch(path)).text());
  return texts.join("\n");
}

it("no key of one reaches another, by any name, and all names are raw in answers, events and errors", {
  tags: ["long"],
}, async () => {
  const [owner, stranger] = [createAgent({ namespace: NAMESPACE }), createAgent()];
  const none = createAgent({ namespace: "" });
  const nosy = [stranger, none];
  const events = await owner.connect("/watch?pattern=*&event=all");
  await events.takeUntilReady();
  const watchers = await Promise.all(nosy.map((agent) => agent.connect("/watch?pattern=*&event=all")));
  let count = 0;
  await fc.assert(
    fc.asyncProperty(key, async (name) => {
      const mark = `secret-${++count}-of-the-owner`;
      await owner.set(name, mark);
      await owner.setSchema(name, { title: mark });
      expect(await events.take(2)).toMatchObject([
        { event: "value", key: name, value: mark },
        { event: "schema", key: name },
      ]);
      const mine = await readEverything(owner, name);
      expect(mine).toContain(mark);
      // Raw: where its namespace is in an answer, the name itself has it.
      if (!name.includes(NAMESPACE))
        expect(await (await owner.fetch(`/history?key=${encodeURIComponent(name)}`)).text()).not.toContain(NAMESPACE);
      for (const agent of nosy) {
        for (const guess of [
          name,
          `${NAMESPACE}:${name}`,
          JSON.stringify([NAMESPACE, name]),
          `memx:{${NAMESPACE}}:${name}`,
        ]) {
          expect(await readEverything(agent, guess)).not.toContain(mark);
          await agent.set(guess, "overwritten");
          await agent.fetch(`/schema?key=${encodeURIComponent(guess)}`, { method: "DELETE" } as never);
        }
      }
      expect(JSON.parse(await (await owner.fetch(`/get?key=${encodeURIComponent(name)}`)).text()).value).toBe(mark);
      await owner.fetch(`/schema?key=${encodeURIComponent(name)}`, { method: "DELETE" } as never);
      await events.take(1);
    }),
    { numRuns: runs(10) },
  );
  for (const agent of nosy) {
    expect(await (await agent.fetch("/changes?pattern=*&since=0&wait=0")).text()).not.toContain("of-the-owner");
  }
  for (const { texts } of watchers) expect(texts.join("")).not.toContain("of-the-owner");
  expect(events.texts.join("")).not.toContain("overwritten");
});

it("a name in an error is as the caller wrote it", async () => {
  const agent = createAgent({ read: [] });
  const { detail } = (await (await agent.fetch("/get?key=agent:goal")).json()) as { detail: string };
  expect(detail).toContain('"agent:goal"');
  expect(detail).not.toContain(agent.namespace);
});
