// The tenants of a fuzz run, and what each may see. Every value and schema contains the mark of its namespace.

export type Tenant = {
  readonly name: string;
  readonly apiKey: string | undefined;
  /** Part of every value and schema that the tenant writes. */
  readonly mark: string;
  /** Marks that the tenant may see. */
  readonly sees: readonly string[];
};

const all = ["*"];
const users = { a: "aaaaaaaa-0000-4000-8000-000000000000", b: "bbbbbbbb-0000-4000-8000-000000000000" };

/** The access list for `MEMX_ACL`. */
export const LIST = {
  "fuzz-key-of-a": { read: all, write: all, user_id: users.a },
  "fuzz-key-of-b": { read: all, write: all, user_id: users.b },
  // May read only a little of the first tenant's data.
  "fuzz-key-of-a-that-reads-little": { read: ["aaaaaaaa:open:*"], write: [], user_id: users.a },
  "fuzz-key-of-nobody": { read: all, write: all },
};

const MARKS = { a: "MARK-A-CLOSED", open: "MARK-A-OPEN", b: "MARK-B", none: "MARK-NONE" } as const;
export const ALL_MARKS: readonly string[] = Object.values(MARKS);

export const TENANTS: readonly Tenant[] = [
  { name: "a", apiKey: "fuzz-key-of-a", mark: MARKS.a, sees: [MARKS.a, MARKS.open] },
  { name: "b", apiKey: "fuzz-key-of-b", mark: MARKS.b, sees: [MARKS.b] },
  { name: "little", apiKey: "fuzz-key-of-a-that-reads-little", mark: MARKS.a, sees: [MARKS.open] },
  { name: "none", apiKey: "fuzz-key-of-nobody", mark: MARKS.none, sees: [MARKS.none] },
  { name: "stranger", apiKey: undefined, mark: "MARK-OF-A-STRANGER", sees: [] },
];

/** The mark that a tenant puts into a value of this key. Keys that "little" may read have their own mark. */
export function markOf({ name, mark }: Tenant, key: string): string {
  return name === "a" && key.startsWith("open:") ? MARKS.open : mark;
}

/**
 * Key names that try to reach another tenant's data: through namespaces, names of stores and channels, and encodings.
 */
export const KEYS: readonly string[] = [
  ...[
    "a",
    "b",
    "agent:goal",
    "open:a",
    "open:b",
    "open:",
    "opena",
    "Open:a",
    "closed",
    " ",
    "\u{1F600}",
    "é",
    "e\u0301",
  ],
  ...[
    "bbbbbbbb:a",
    "aaaaaaaa:a",
    "aaaaaaaa:open:a",
    ":a",
    "bbbbbbbb",
    "bbbbbbbb:*",
    '["bbbbbbbb","a"]',
    '["aaaaaaaa",""]',
  ],
  ...["namespace:bbbbbbbb", "namespace:", "memx:{bbbbbbbb}:a", "{bbbbbbbb}:a", "memx:{}:a", "}a", "a}:{b", "\\x00a"],
  ...[
    "../a",
    "..",
    ".",
    "./a",
    "%2e%2e/bbbbbbbb",
    "bbbbbbbb%3Aa",
    "bbbbbbbb/a",
    "//bbbbbbbb",
    "?a",
    "#a",
    "a&key=b",
    "+",
    "%",
  ],
  ...[
    "*",
    "?",
    "[a]",
    "[!a]*",
    "**",
    "__proto__",
    "constructor",
    "toString",
    "'; DROP TABLE entries; --",
    "x".repeat(512),
  ],
];
