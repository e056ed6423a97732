// Ways to break a rule of the relays on purpose, as edits of the channel's source, to see that the simulation notices. An edit
// whose text is no longer there fails the test that uses it.

type Edit = { readonly file: string; readonly from: string; readonly to: string };

export type Mutant = {
  /** The rule that it breaks. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  /** Which simulation notices it. */
  readonly noticedBy: "faults" | "promptness" | "late gone" | "slow relay";
};

export const MUTANTS = {
  record_late: {
    breaks: "A parent records a relay before it answers.",
    noticedBy: "faults",
    edits: [
      {
        file: "channel.ts",
        from: "this.#links.add(nodeName(topic, place), token, pos);",
        to: "setTimeout(() => this.#links.add(nodeName(topic, place), token, pos), 20);",
      },
    ],
  },
  stale_registration: {
    breaks: "A node does not trust a registration that has ended.",
    noticedBy: "promptness",
    edits: [
      {
        file: "channel.ts",
        from: "    this.#upstream.begin(topic, place);\n",
        to: "    this.#upstream.begin(topic, place);\n    this.#registeredMs = Date.now();\n",
      },
      {
        file: "channel.ts",
        from: "  #relaysArriving = 0;\n",
        to: "  #relaysArriving = 0;\n  #registeredMs = 0;\n",
      },
      {
        file: "channel.ts",
        from: "const head = await this.#registered(topic, own);",
        to: `const isTrusted = Date.now() - this.#registeredMs < 5_000;
      const head = isTrusted ? this.#delivery.cursor : await this.#registered(topic, own);`,
      },
    ],
  },
  link_position: {
    breaks: "Links begin where the node woke up.",
    noticedBy: "promptness",
    edits: [
      {
        file: "links.ts",
        from: "for (const name of this.#tokens.keys()) this.#links.set(name, newLink(pos));",
        to: "void pos;",
      },
      {
        file: "links.ts",
        from: "    for (const [name, link] of this.#links) {\n      if (change.revision <= link.pos) continue;",
        to: `    for (const name of this.#tokens.keys())
      if (!this.#links.has(name)) this.#links.set(name, newLink(change.revision));
    for (const [name, link] of this.#links) {
      if (change.revision <= link.pos) continue;`,
      },
    ],
  },
  after_zero: {
    breaks: "A call says after which revision it is complete.",
    noticedBy: "faults",
    edits: [
      {
        file: "links.ts",
        from: "return { after, upTo, changes, token:",
        to: "return { after: 0, upTo, changes, token:",
      },
    ],
  },
  no_fill: {
    breaks: "A relay that sees a gap reads the log.",
    noticedBy: "faults",
    edits: [{ file: "delivery.ts", from: "if (!follows) await this.#fillGap(topic);", to: "" }],
  },
  no_nudge: {
    breaks: "A node that starts over tells its relays to read the log.",
    noticedBy: "faults",
    edits: [{ file: "delivery.ts", from: "    this.#links.nudge();\n", to: "" }],
  },
  no_token: {
    breaks: "A parent removes a relay only by its last token.",
    noticedBy: "late gone",
    edits: [
      {
        file: "links.ts",
        from: "if (this.#tokens.get(name) !== token) return;",
        to: "if (!this.#tokens.has(name)) return;",
      },
    ],
  },
  keep_all: {
    breaks: "What waits for a relay is bounded.",
    noticedBy: "slow relay",
    edits: [
      {
        file: "links.ts",
        from: "      if (link.queuedChars > MAX_QUEUED_CHARS) fallBehind(link);\n",
        to: "",
      },
    ],
  },
} as const satisfies Record<string, Mutant>;

export type MutantName = keyof typeof MUTANTS;
