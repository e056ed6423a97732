// `npm run images`: takes the pictures of docs/dashboard.md and the README: each view at 360, 768 and 1440 pixels, and at 1440
// in dark colors. A team of agents works meanwhile. Needs what the tests need: Chromium and PostgreSQL.

import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { MemX } from "../sdk/typescript/index.ts";
import { startAuthStandIn } from "../test/process/support/auth-stand-in.ts";
import { launchChromium, openDashboard } from "../test/process/support/dashboard-page.ts";
import { startSelfHosted } from "../test/process/support/self-hosted.ts";
import { startSupabase } from "../test/support/supabase/start-supabase.ts";

const folder = join(import.meta.dirname, "../docs/images");
const MAX_BYTES = 150_000;
const SIZES = [
  { width: 1440, height: 900, scheme: "light" },
  { width: 1440, height: 900, scheme: "dark" },
  { width: 768, height: 1000, scheme: "light" },
  { width: 360, height: 740, scheme: "light" },
] as const;

const user = { id: randomUUID(), email: "ada@example.org", password: "a long password" };
const apiKey = "key-of-the-pictures";

const [browser, supabase] = await Promise.all([launchChromium(), startSupabase()]);
await supabase.sql(`insert into auth.users values ('${user.id}')`);
const own = (glob: string) => `${user.id.slice(0, 8)}:${glob}`;
const keys = [
  ["planner", ["*"], ["agent:*", "task:*"], true],
  ["researchers", ["agent:*", "task:*", "findings/*"], ["findings/*", "task:*:lease"], true],
  ["old laptop", ["*"], ["*"], false],
] as const;
for (const [name, read, write, active] of keys) {
  const scopes = { read: read.map(own), write: write.map(own) };
  await supabase.addKey({ key: randomUUID(), userId: user.id, name, scopes, active });
}
await supabase.addKey({ key: apiKey, userId: user.id, name: "ada", scopes: { read: ["*"], write: ["*"] } });
const auth = await startAuthStandIn(supabase, [user]);
const memx = await startSelfHosted("embedded", {
  SUPABASE_URL: auth.url,
  SUPABASE_SERVICE_KEY: supabase.serviceKey,
  SUPABASE_ANON_KEY: supabase.anonKey,
});

const clients = new Map<string, MemX>();
const as = (agent: string) => {
  const client = clients.get(agent) ?? new MemX({ apiKey, baseUrl: memx.url, agent });
  clients.set(agent, client);
  return client;
};
const goal = { question: "Which stores keep every digit of a number?", budget: 40, audience: "engineers" };
const goalSchema = {
  type: "object",
  required: ["question", "budget"],
  properties: {
    question: { type: "string" },
    budget: { type: "number", minimum: 0 },
    audience: { enum: ["engineers", "executives"] },
  },
};

await as("planner").setSchema("agent:goal", goalSchema);
await as("planner").set("agent:goal", goal);
await as("planner").set("agent:plan", ["collect sources", "compare stores", "write the report", "review"]);
for (let n = 1; n <= 14; n++) {
  const state = n < 6 ? "done" : n < 9 ? "working" : "open";
  await as("planner").set(`task:${n}`, { title: `Read source ${n}`, state });
}
for (const n of [6, 7, 8])
  await as(`researcher-${n - 5}`).set(`task:${n}:lease`, `researcher-${n - 5}`, { ttl: 3_000 + n * 37 });
await as("writer").set("draft:report", "# Which stores keep every digit?\n\nMost do not.");
await as("writer").set("draft:words", 1284);
const remarks = [
  { line: 12, text: "Say which version was measured." },
  { line: 40, text: "The table lacks units." },
];
await as("critic").set("review:draft", { verdict: "needs work", remarks, blocking: true });
await memx.call("/set", {
  apiKey,
  agent: "ledger",
  body: '{"key":"ledger:balance","value":{"amount":12345678901234567890,"rate":1.0,"exact":0.10000000000000000000001}}',
});
await as("planner").set("agent:goal", { ...goal, budget: 60 });
await as("critic").set("agent:goal", {
  ...goal,
  question: "Which stores keep every digit, and at what cost?",
  budget: 60,
});

// The team at work, until the pictures are taken.
let isOver = false;
const work = async (agent: string, everyMs: number, act: (client: MemX, n: number) => Promise<unknown>) => {
  for (let n = 1; !isOver; n++) {
    await act(as(agent), n);
    await new Promise((resolve) => setTimeout(resolve, everyMs * (0.5 + ((n * 7) % 10) / 10)));
  }
};
const team = [1, 2, 3].map((id) =>
  work(`researcher-${id}`, 300 * id, (client, n) =>
    client.set(`findings/store-${id}${n % 4}`, { source: `https://example.org/${n}`, confidence: 0.5 + (n % 5) / 10 }),
  ),
);
team.push(work("writer", 900, (client) => client.increment("draft:words", 17)));
team.push(work("planner", 1_700, (client, n) => client.merge(`task:${(n % 14) + 1}`, { checked: n })));
await new Promise((resolve) => setTimeout(resolve, 20_000));

const click = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
const goalRoute = "#/keys/agent%3Agoal";
const edit = async (page: Page, text: string) => {
  await click(page, "Edit");
  await page.locator("#value-editor").fill(text);
};
const VIEWS: readonly (readonly [name: string, route: string, prepare: (page: Page) => Promise<unknown>])[] = [
  ["sign-in", "", (page) => page.getByText("Use my account").waitFor()],
  ["keys", "#/keys", (page) => page.getByRole("treeitem").first().waitFor()],
  ["value", "#/keys/review%3Adraft", (page) => page.getByText("The table lacks units.").waitFor()],
  [
    "edit",
    goalRoute,
    async (page) => {
      await edit(
        page,
        '{\n  "question": "Which stores keep every digit?",\n  "budget": "sixty",\n  "audience": "engineers"\n}',
      );
      await click(page, "Save");
      await page.getByText("Must be a number").waitFor();
    },
  ],
  [
    "conflict",
    "#/keys/agent%3Aplan",
    async (page) => {
      await as("planner").set("agent:plan", { steps: ["collect", "compare", "write"], owner: "planner", limit: 40 });
      await page.getByText("owner").waitFor();
      await edit(page, '{\n  "steps": ["collect", "compare", "write"],\n  "owner": "ada",\n  "limit": 60\n}');
      await as("critic").set("agent:plan", {
        steps: ["collect", "compare", "write", "review"],
        owner: "critic",
        limit: 40,
      });
      await click(page, "Compare and merge");
      await page.getByText("changed on both sides").waitFor();
    },
  ],
  [
    "history",
    `${goalRoute}/history`,
    (page) => page.getByRole("region", { name: "Difference between the two" }).waitFor(),
  ],
  ["schema", `${goalRoute}/schema`, (page) => page.getByRole("region", { name: "The schema" }).waitFor()],
  ["access", `${goalRoute}/access`, (page) => page.getByText("Can write").waitFor()],
  ["new", "#/new", (page) => page.getByLabel("Schema", { exact: true }).selectOption({ index: 2 })],
  ["live", "#/live", (page) => page.getByRole("region", { name: "Who wrote what when" }).waitFor()],
  ["connect", "#/connect", (page) => click(page, "TypeScript")],
  [
    "api-keys",
    "#/account",
    async (page) => {
      await page.getByLabel("Email address").fill(user.email);
      await page.getByLabel("Password").fill(user.password);
      await click(page, "Sign in");
      await page.getByRole("rowheader", { name: "planner" }).waitFor();
    },
  ],
];

mkdirSync(folder, { recursive: true });
for (const [name, route, prepare] of VIEWS) {
  for (const { width, height, scheme } of SIZES) {
    const signedIn = name === "sign-in" ? {} : { apiKey };
    const options = {
      route,
      viewport: { width, height },
      colorScheme: scheme,
      hosts: [new URL(auth.url).host],
      ...signedIn,
    };
    const { page, close } = await openDashboard(browser, memx.url, options);
    if (name !== "sign-in") await page.locator(".connection.live").waitFor();
    await prepare(page);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const session = await page.context().newCDPSession(page);
    const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 85 });
    const image = Buffer.from(data, "base64");
    if (image.length > MAX_BYTES) throw new Error(`${name} at ${width} has ${image.length} bytes.`);
    writeFileSync(join(folder, `dashboard-${name}-${width}${scheme === "dark" ? "-dark" : ""}.webp`), image);
    await close();
  }
}

isOver = true;
await Promise.all(team);
for (const client of clients.values()) client.close();
await memx.close();
auth.close();
await supabase.close();
await browser.close();
