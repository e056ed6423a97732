// API keys from Supabase, as in production: the deployed bundle on workerd, with a real PostgREST and PostgreSQL.

import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Problem } from "../../sdk/protocol.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { type Supabase, startSupabase } from "../support/supabase/start-supabase.ts";
import { connectRaw, type RawSubscriber } from "./support/raw-subscriber.ts";
import { startWorkerd, type Workerd } from "./support/workerd.ts";

let supabase: Supabase;

beforeAll(async () => {
  supabase = await startSupabase();
});

afterAll(() => supabase?.close());

const start = (bindings: Readonly<Record<string, string>> = {}) =>
  startWorkerd({
    bindings: {
      // memX must ignore this other source.
      MEMX_ACL: JSON.stringify({ listed: ["*"], local_dev_key: ["*"] }),
      SUPABASE_URL: supabase.url,
      SUPABASE_SERVICE_KEY: supabase.serviceKey,
      ...bindings,
    },
  });

/** Makes everything that reads the table wait until the returned function is called. */
async function lockTable(): Promise<() => Promise<void>> {
  const sleep = "pg_sleep(600)";
  const locked = supabase.sql(`begin; lock table api_keys in access exclusive mode; select ${sleep}; commit`);
  const ended = locked.catch(() => undefined);
  const locks = () =>
    supabase.sql(
      "select count(*) from pg_locks where relation = 'api_keys'::regclass and mode = 'AccessExclusiveLock'",
    );
  await expect.poll(locks).toBe("1");
  return async () => {
    await supabase.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like '%${sleep}%' and pid <> pg_backend_pid()`,
    );
    await ended;
  };
}

const newKey = () => `key-${randomUUID()}`;
const newUser = () => randomUUID();

async function get(memx: Workerd, apiKey: string, key = "a"): Promise<{ status: number; code?: string; body: string }> {
  const response = await fetch(`${memx.url}/get?key=${encodeURIComponent(key)}`, { headers: { "x-api-key": apiKey } });
  const body = await response.text();
  return { status: response.status, code: response.ok ? undefined : JSON.parse(body).code, body };
}

function set(memx: Workerd, apiKey: string, key: string, value: unknown): Promise<Response> {
  const headers = { "x-api-key": apiKey, "content-type": "application/json" };
  return fetch(`${memx.url}/set`, { method: "POST", headers, body: JSON.stringify({ key, value }) });
}

const connect = (memx: Workerd, path: string, apiKey: string) =>
  connectRaw(memx.url, path, { "x-api-key": apiKey, "sec-websocket-protocol": "memx.v1" });

describe("an API key", () => {
  it("grants what its row says, in its user's namespace, whether the table has the key or only its hash", async () => {
    const memx = await start();
    const [user, plain, hashed] = [newUser(), newKey(), newKey()];
    const namespace = user.slice(0, 8);
    const scopes = { read: [`${namespace}:*`], write: [`${namespace}:mine:*`] };
    await supabase.addKey({ key: plain, userId: user, scopes });
    const hash = createHash("sha256").update(hashed).digest("hex");
    await supabase.addKey({ hash, userId: user, scopes });
    for (const apiKey of [plain, hashed]) {
      expect((await set(memx, apiKey, "mine:a", apiKey)).status).toBe(200);
      expect(JSON.parse((await get(memx, apiKey, "mine:a")).body).value).toBe(apiKey);
      expect((await get(memx, apiKey, "yours")).status).toBe(200);
      expect((await set(memx, apiKey, "yours", 1)).status).toBe(403);
    }
    // The hash itself is not a key.
    expect(await get(memx, hash)).toMatchObject({ status: 403, code: "invalid_api_key" });
  });

  it("learns its scopes and its name from its row", async () => {
    const memx = await start();
    const [user, named, unnamed] = [newUser(), newKey(), newKey()];
    const scopes = { read: [`${user.slice(0, 8)}:*`], write: [`${user.slice(0, 8)}:mine:*`] };
    await supabase.addKey({ key: named, userId: user, scopes, name: "ci" });
    await supabase.addKey({ key: unnamed, userId: user });
    const whoami = async (apiKey: string) =>
      (await fetch(`${memx.url}/whoami`, { headers: { "x-api-key": apiKey } })).json();
    expect(await whoami(named)).toMatchObject({ name: "ci", scopes: { read: ["*"], write: ["mine:*"] } });
    expect(await whoami(unnamed)).not.toHaveProperty("name");
  });

  it("is looked up only by its hash, and appears in no request and no log", async () => {
    const memx = await start();
    const [apiKey, unknown] = [newKey(), newKey()];
    await supabase.addKey({ key: apiKey, userId: newUser() });
    const before = supabase.requests.length;
    expect((await get(memx, apiKey)).status).toBe(200);
    expect((await get(memx, unknown)).status).toBe(403);
    const requested = supabase.requests.slice(before).join("\n");
    expect(requested).toContain(createHash("sha256").update(apiKey).digest("hex"));
    for (const secret of [apiKey, unknown, supabase.serviceKey]) {
      expect(requested).not.toContain(secret);
      expect(memx.output()).not.toContain(secret);
    }
  });

  it("is looked up once, however often it calls, even if it is refused", async () => {
    const memx = await start();
    const [apiKey, unknown] = [newKey(), newKey()];
    await supabase.addKey({ key: apiKey, userId: newUser() });
    const before = supabase.requests.length;
    for (let n = 0; n < 20; n++) {
      expect((await get(memx, apiKey)).status).toBe(200);
      expect((await get(memx, unknown)).code).toBe("invalid_api_key");
    }
    expect(supabase.requests.length - before).toBe(2);
  });

  it("that Supabase does not know is refused, whatever a list says", async () => {
    const memx = await start();
    for (const apiKey of ["local_dev_key", "agent_key_1", "listed", newKey(), "*", "a,b)", '"', "é"]) {
      const headers = { "x-api-key": Buffer.from(apiKey).toString("latin1") };
      const response = await fetch(`${memx.url}/get?key=memx:query`, { headers });
      expect([response.status, ((await response.json()) as Problem).code], apiKey).toEqual([403, "invalid_api_key"]);
    }
  });

  it("that no header can carry unchanged is refused over every transport, although an older table has it", async () => {
    const memx = await start();
    const apiKey = `clé-${randomUUID()}`;
    await supabase.sql("alter table api_keys drop constraint api_keys_key_characters");
    await supabase.addKey({ key: apiKey, userId: newUser() });
    const bytes = Buffer.from(apiKey);
    const inHeaders = ["latin1", "utf8"].flatMap((encoding) => {
      // Node writes headers as Latin-1, so these are the bytes that a client of either encoding sends.
      const sent = encoding === "utf8" ? bytes.toString("latin1") : apiKey;
      return [{ "x-api-key": sent }, { authorization: `Bearer ${sent}` }];
    });
    for (const headers of inHeaders) {
      const response = await fetch(`${memx.url}/get?key=a`, { headers });
      const { code, detail } = (await response.json()) as Problem;
      expect([response.status, code], JSON.stringify(headers)).toEqual([403, "invalid_api_key"]);
      expect(detail).toContain("visible ASCII");
    }
    const subprotocol = `memx.key.${bytes.toString("base64url")}`;
    const { closed } = await connectRaw(memx.url, "/subscribe/a", {
      "sec-websocket-protocol": `memx.v1, ${subprotocol}`,
    });
    expect(await closed).toMatchObject({ code: 4403, reason: expect.stringContaining("visible ASCII") });
  });

  it("that is not active, or whose row is malformed, is refused", async () => {
    const memx = await start();
    // As in an older table, without the checks that config/supabase.sql adds for new rows.
    await supabase.sql(`alter table api_keys drop constraint api_keys_scopes, alter column user_id drop not null,
      alter column scopes drop not null, alter column active drop not null`);
    const rows: [string, string, string][] = [
      ["false", '\'{"read":["*"],"write":["*"]}\'', `'${newUser()}'`],
      ["null", '\'{"read":["*"],"write":["*"]}\'', `'${newUser()}'`],
      ["true", "null", `'${newUser()}'`],
      ["true", "'null'", `'${newUser()}'`],
      ["true", "'\"*\"'", `'${newUser()}'`],
      ["true", "'[\"*\"]'", `'${newUser()}'`],
      ["true", '\'{"read":"*","write":["*"]}\'', `'${newUser()}'`],
      ["true", '\'{"read":["*"],"write":{"0":"*"}}\'', `'${newUser()}'`],
      ["true", '\'{"read":["*",1],"write":[]}\'', `'${newUser()}'`],
      ["true", "'{\"read\":null}'", `'${newUser()}'`],
      ["true", '\'{"read":["*"],"write":["*"]}\'', "null"],
      ["true", "'{}'", `'${newUser()}'`],
    ];
    for (const [active, scopes, user] of rows) {
      const apiKey = newKey();
      if (user !== "null") await supabase.sql(`insert into auth.users values (${user})`);
      await supabase.sql(
        `insert into api_keys (key, active, scopes, user_id) values ('${apiKey}', ${active}, ${scopes}, ${user})`,
      );
      expect((await get(memx, apiKey)).status, scopes).toBe(403);
      expect((await set(memx, apiKey, "a", 1)).status, scopes).toBe(403);
    }
    await supabase.sql("delete from api_keys where user_id is null or scopes is null or active is null");
  });
});

it("opens nothing to an API key with too many scopes, and names its user in the log", async () => {
  const memx = await start();
  await supabase.sql("alter table api_keys drop constraint if exists api_keys_size");
  const [user, large, long, fine] = [newUser(), newKey(), newKey(), newKey()];
  await supabase.addKey({ key: large, userId: user });
  // Too long for a command line.
  const globs = "select jsonb_agg(format('*a%s*', n)) || '[\"*\"]' from generate_series(1, 100000) n";
  await supabase.sql(`update api_keys set scopes = jsonb_build_object('read', (${globs}), 'write', '["*"]'::jsonb)
    where key = '${large}'`);
  await supabase.addKey({ key: long, userId: user, scopes: { read: ["*", "a".repeat(17 * 1024)], write: ["*"] } });
  await supabase.addKey({ key: fine, userId: user });
  for (const apiKey of [large, long]) expect((await get(memx, apiKey)).code).toBe("invalid_api_key");
  expect((await get(memx, fine)).status).toBe(200);
  await expect.poll(() => memx.output().split("oversized_api_key").length - 1).toBe(2);
  expect(memx.output()).toContain(user);
  for (const apiKey of [large, long]) expect(memx.output()).not.toContain(apiKey);
});

describe("a revoked API key", () => {
  it("is refused after the bound, and its open sockets and streams are closed, and no others", async () => {
    // Instead of 60 and 90 seconds: 2 for calls, 3 for sockets.
    const memx = await start({ REVOCATION_SECONDS: "2" });
    const user = newUser();
    const [kept, deleted, deactivated] = [newKey(), newKey(), newKey()];
    for (const key of [kept, deleted, deactivated]) await supabase.addKey({ key, userId: user });
    const sockets: Record<string, RawSubscriber[]> = {};
    for (const apiKey of [kept, deleted, deactivated]) {
      sockets[apiKey] = [
        await connect(memx, "/subscribe/a", apiKey),
        await connect(memx, "/subscribe/a", apiKey),
        await connect(memx, "/watch?pattern=*", apiKey),
      ];
    }
    const stream = await fetch(`${memx.url}/watch?pattern=*`, {
      headers: { "x-api-key": deleted, accept: "text/event-stream" },
    });
    expect(stream.status).toBe(200);

    await supabase.sql(`delete from api_keys where key = '${deleted}';
      update api_keys set active = false where key = '${deactivated}'`);
    const revokedMs = Date.now();
    const refused = Promise.all(
      [deleted, deactivated].map(async (apiKey) => {
        while ((await get(memx, apiKey)).status !== 403) await new Promise((resolve) => setTimeout(resolve, 20));
        expect(Date.now() - revokedMs).toBeLessThan(2_000 + PATIENCE_MS);
      }),
    );
    for (const apiKey of [deleted, deactivated]) {
      for (const { closed } of sockets[apiKey] ?? []) {
        const { code, reason, atMs } = await closed;
        expect(code).toBe(4403);
        expect(reason).toMatch(/revoked/);
        expect(atMs - revokedMs).toBeLessThan(3_000 + PATIENCE_MS);
      }
    }
    await stream.text();
    expect(Date.now() - revokedMs).toBeLessThan(3_000 + PATIENCE_MS);
    await refused;

    expect((await set(memx, kept, "a", "last")).status).toBe(200);
    for (const { texts } of sockets[kept] ?? []) await expect.poll(() => texts.at(-1)).toContain('"last"');
    for (const { texts } of sockets[deleted] ?? []) expect(texts.join("")).not.toContain('"last"');
  });

  it("that loses some scopes keeps the others, also for open watchers", async () => {
    const memx = await start({ REVOCATION_SECONDS: "1" });
    const [user, apiKey] = [newUser(), newKey()];
    const namespace = user.slice(0, 8);
    await supabase.addKey({ key: apiKey, userId: user });
    const [a, b, all] = [
      await connect(memx, "/subscribe/a", apiKey),
      await connect(memx, "/subscribe/b", apiKey),
      await connect(memx, "/watch?pattern=*", apiKey),
    ];
    await supabase.sql(
      `update api_keys set scopes = '{"read":["${namespace}:a"],"write":["*"]}' where key = '${apiKey}'`,
    );
    const { code, reason } = await b.closed;
    expect([code, reason]).toEqual([4403, "The API key may no longer read this key."]);
    // Until the channel of all keys has rechecked the API key, which it does as often.
    await expect
      .poll(async () => {
        const before = all.texts.length;
        await set(memx, apiKey, "b", "secret");
        await set(memx, apiKey, "a", "open");
        await expect.poll(() => all.texts.slice(before).join("")).toContain('"open"');
        return all.texts.slice(before).join("");
      })
      .not.toContain('"secret"');
    expect(all.isOpen()).toBe(true);
    expect(a.isOpen()).toBe(true);
    expect(a.texts.at(-1)).toContain('"open"');
  });
});

describe("an outage of Supabase in the middle of traffic", () => {
  it("keeps known keys working and sockets open, and accepts no other key", async () => {
    const memx = await start({ REVOCATION_SECONDS: "1" });
    const [user, known, unknown] = [newUser(), newKey(), newKey()];
    await supabase.addKey({ key: known, userId: user });
    await supabase.addKey({ key: unknown, userId: user });
    const watcher = await connect(memx, "/watch?pattern=*", known);
    let over = false;
    const statuses = new Map<number, number>();
    const traffic = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let n = 0; !over; n++) {
          const { status } = await set(memx, known, `k${writer}`, n);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    await supabase.stopPostgrest();
    // Much longer than memX trusts a good key without a check, and several alarms of the channel.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const response = await fetch(`${memx.url}/get?key=a`, { headers: { "x-api-key": unknown } });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    expect(((await response.json()) as Problem).code).toBe("auth_unavailable");
    const refused = await fetch(`${memx.url}/subscribe/a`, {
      headers: { "x-api-key": unknown, accept: "text/event-stream" },
    });
    expect(refused.status).toBe(503);
    expect(watcher.isOpen()).toBe(true);
    const ready = () => fetch(`${memx.url}/health?ready`);
    const notReady = await ready();
    expect([notReady.status, ((await notReady.json()) as Problem).code]).toEqual([503, "auth_unavailable"]);
    expect((await fetch(`${memx.url}/health`)).status).toBe(200);

    await supabase.startPostgrest();
    await expect.poll(async () => (await ready()).status).toBe(200);
    await supabase.sql(`delete from api_keys where key = '${known}'`);
    expect((await watcher.closed).code).toBe(4403);
    await expect.poll(async () => (await get(memx, known)).status).toBe(403);
    expect((await get(memx, unknown)).status).toBe(200);
    over = true;
    await traffic;
    expect([...statuses.keys()].sort()).toEqual([200, 403]);
    expect(statuses.get(200)).toBeGreaterThan(20);
    expect(memx.output()).not.toContain(known);
  });

  it("by a slow database delays a call by at most 3 seconds, and known keys not at all", async () => {
    const memx = await start({ REVOCATION_SECONDS: "1" });
    const [user, known, unknown] = [newUser(), newKey(), newKey()];
    await supabase.addKey({ key: known, userId: user });
    await supabase.addKey({ key: unknown, userId: user });
    expect((await get(memx, known)).status).toBe(200);
    const unlock = await lockTable();
    onTestFinished(unlock);
    // Until memX must look the known key up again.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const startMs = Date.now();
    const waits = get(memx, unknown).then(({ status, code }) => ({ status, code, ms: Date.now() - startMs }));
    // All of them wait until the first look-up times out, and then work as before.
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await get(memx, known)).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    const again = Date.now();
    expect((await get(memx, known)).status).toBe(200);
    expect(Date.now() - again).toBeLessThan(2_500);
    const { status, code, ms } = await waits;
    expect([status, code]).toEqual([503, "auth_unavailable"]);
    expect(ms).toBeGreaterThan(2_500);
    expect(ms).toBeLessThan(3_000 + PATIENCE_MS);
    await unlock();
    await expect.poll(async () => (await get(memx, unknown)).status).toBe(200);
  });
});

describe("an unusable configuration", () => {
  const detailOf = async (bindings: Record<string, string>) => {
    const memx = await start(bindings);
    const response = await fetch(`${memx.url}/get?key=a`, { headers: { "x-api-key": "local_dev_key" } });
    const { code, detail } = (await response.json()) as Problem;
    expect([response.status, code]).toEqual([503, "auth_unavailable"]);
    return detail;
  };

  it.each([
    ["only the URL", { SUPABASE_SERVICE_KEY: "" }, "SUPABASE_SERVICE_KEY"],
    ["only the service key", { SUPABASE_URL: "" }, "SUPABASE_URL"],
    ["an invalid address", { SUPABASE_URL: "project" }, "SUPABASE_URL"],
    ["an invalid key", { SUPABASE_SERVICE_KEY: "nobody" }, "SUPABASE_SERVICE_KEY"],
    ["an invalid bound", { REVOCATION_SECONDS: "soon" }, "REVOCATION_SECONDS"],
  ])("refuses every request, and says what to set: %s", async (_, bindings, named) => {
    expect(await detailOf(bindings)).toContain(named);
  });

  it("refuses every request with the public key instead of the service key, and says so", async () => {
    expect(await detailOf({ SUPABASE_SERVICE_KEY: supabase.anonKey })).toContain("SUPABASE_SERVICE_KEY");
  });
});

it("refuses every data route without any configuration, and says what to set", async () => {
  const memx = await startWorkerd({ bindings: { MEMX_ACL: "" } });
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  const calls: [string, string][] = [
    ["POST", "/set"],
    ["GET", "/get?key=a"],
    ["POST", "/delete"],
    ["POST", "/patch"],
    ["POST", "/batch"],
    ["GET", "/keys"],
    ["POST", "/schema"],
    ["GET", "/schema?key=a"],
    ["DELETE", "/schema?key=a"],
    ["GET", "/history?key=a"],
    ["GET", "/changes?pattern=*&since=0"],
  ];
  for (const [method, path] of calls) {
    const response = await fetch(memx.url + path, { method, headers, ...(method === "POST" && { body: "{}" }) });
    const { code, detail } = (await response.json()) as Problem;
    expect([response.status, code], path).toEqual([503, "auth_unavailable"]);
    for (const setting of ["SUPABASE_URL", "SUPABASE_SERVICE_KEY", "MEMX_ACL"]) expect(detail).toContain(setting);
    expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  }
  for (const path of ["/subscribe/a", "/watch?pattern=*"]) {
    const stream = await fetch(memx.url + path, { headers: { ...headers, accept: "text/event-stream" } });
    expect(((await stream.json()) as Problem).code).toBe("auth_unavailable");
    await expect(connect(memx, path, "local_dev_key")).rejects.toThrow("503");
  }
  expect((await fetch(`${memx.url}/health`)).status).toBe(200);
  const ready = await fetch(`${memx.url}/health?ready`);
  const { code, detail } = (await ready.json()) as Problem;
  expect([ready.status, code]).toEqual([503, "auth_unavailable"]);
  expect(detail).toContain("MEMX_ACL");
});
