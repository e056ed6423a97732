// config/supabase.sql: which role may do what with the table of API keys, through PostgREST as the dashboard uses it,
// and how it changes an existing table.

import { createHash, randomUUID } from "node:crypto";
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CONFIG_SQL, type Supabase, startSupabase } from "../support/supabase/start-supabase.ts";

const OLD_USER = randomUUID();

/**
 * The table of the original memX: the API key is the primary key, every signed-in user has access, and it has a
 * function.
 */
const OLD_TABLE = `
  create table public.api_keys (
    key text primary key,
    name text,
    scopes jsonb,
    active boolean default true,
    user_id uuid,
    created_at timestamptz default now()
  );
  alter table public.api_keys enable row level security;
  create policy "everyone" on public.api_keys for all using (true) with check (true);
  create function public.create_api_key(key_name text, key_value text, scopes jsonb, is_active boolean) returns uuid
    language sql security definer as 'select null::uuid';
  insert into public.api_keys (key, name, scopes, user_id)
    values ('k1', 'old 1', '{"read":["a"],"write":[]}', '${OLD_USER}'), ('k2', 'old 2', null, null);`;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const OLD_ROWS = `old 1|k1|${OLD_USER}|${sha256("k1")}\nold 2|k2||${sha256("k2")}`;
const scopes = { read: ["a:*"], write: [] };

describe.each([
  ["a new table", "", ""],
  ["a table from the original memX", OLD_TABLE, OLD_ROWS],
])("with %s", (_, before, kept) => {
  let supabase: Supabase;

  beforeAll(async () => {
    supabase = await startSupabase({ before });
  });

  afterAll(() => supabase?.close());

  const client = (token: string): SupabaseClient =>
    createClient(supabase.url, supabase.anonKey, { accessToken: async () => token, db: { retry: false } });

  /** A user who has signed up and in. */
  const newUser = async (id: string = randomUUID()) => {
    await supabase.sql(`insert into auth.users values ('${id}')`);
    const db = client(supabase.tokenOf(id));
    return {
      id,
      db,
      create: (key_name: string, key_value: string) =>
        db.rpc("create_api_key", { key_name, key_value, scopes, is_active: true }),
    };
  };

  it("lets a user create, see, change and delete their own keys", async () => {
    const { db, create, id } = await newUser();
    const key = `key-${id}`;
    expect((await create("mine", key)).error).toBeNull();
    const seen = await db.from("api_keys").select("*");
    expect(seen.data).toMatchObject([
      { name: "mine", key, active: true, user_id: id, scopes, lookup_hash: sha256(key) },
    ]);
    expect(Date.parse(seen.data?.[0].created_at)).not.toBeNaN();
    expect((await db.from("api_keys").update({ active: false }).eq("key", key)).error).toBeNull();
    expect((await db.from("api_keys").select("active")).data).toEqual([{ active: false }]);
    await db.from("api_keys").delete().eq("key", key);
    expect((await db.from("api_keys").select("*")).data).toEqual([]);
  });

  it("does not let a user see, change or delete keys of others, or create keys for others", async () => {
    const [one, other] = [await newUser(), await newUser()];
    const key = `key-${other.id}`;
    await other.create("theirs", key);
    expect((await one.db.from("api_keys").select("*")).data).toEqual([]);
    await one.db.from("api_keys").update({ active: false }).eq("key", key);
    await one.db.from("api_keys").update({ user_id: one.id }).eq("key", key);
    await one.db.from("api_keys").delete().eq("key", key);
    expect((await one.db.from("api_keys").insert({ key: "x", user_id: other.id, scopes })).error?.code).toBe("42501");
    await one.create("mine", `key-${one.id}`);
    const given = await one.db.from("api_keys").update({ user_id: other.id }).eq("key", `key-${one.id}`);
    expect(given.error?.code).toBe("42501");
    expect((await other.db.from("api_keys").select("key,active,user_id")).data).toEqual([
      { key, active: true, user_id: other.id },
    ]);
  });

  it("does not let clients see or create keys without sign-in", async () => {
    const { create, id } = await newUser();
    await create("theirs", `key-${id}`);
    const anonymous = client(supabase.anonKey);
    expect((await anonymous.from("api_keys").select("*")).error?.code).toBe("42501");
    const call = { key_name: "x", key_value: "x", scopes, is_active: true };
    expect((await anonymous.rpc("create_api_key", call)).error?.code).toBe("42501");
  });

  it("stores a key or its hash, but never both, and never twice", async () => {
    const { db, create, id } = await newUser();
    const key = `key-${id}`;
    expect((await db.from("api_keys").insert({ key_hash: sha256(key), scopes })).error).toBeNull();
    expect((await db.from("api_keys").select("key,lookup_hash")).data).toEqual([
      { key: null, lookup_hash: sha256(key) },
    ]);
    expect((await create("again", key)).error?.code).toBe("23505");
    for (const row of [
      {},
      { key: "" },
      { key: "clé" },
      { key: "a key" },
      { key: "key\n" },
      { key: "a", key_hash: sha256("a") },
      { key_hash: "a" },
      { key: "a", scopes: {} },
    ]) {
      expect((await db.from("api_keys").insert({ scopes, ...row })).error?.code, JSON.stringify(row)).toBe("23514");
    }
    expect((await db.from("api_keys").insert({ key: "a", scopes, lookup_hash: "x" })).error?.code).toBe("428C9");
  });

  it("takes no more scopes than memX, and lets a key with more be deactivated", async () => {
    const { db, id } = await newUser();
    const row = (name: string, scopes: object) => ({ key: `${name}-${id}`, scopes });
    const many = (length: number) => Array.from({ length }, (_, n) => `a${n}:*`);
    expect((await db.from("api_keys").insert(row("most", { read: many(200), write: many(56) }))).error).toBeNull();
    for (const [scopes, name] of [
      [{ read: many(100_000), write: [] }, "n"],
      [{ read: many(200), write: many(57) }, "n"],
      [{ read: ["é".repeat(8 * 1024)], write: [] }, "n"],
      [{ read: [], write: [], other: ["a".repeat(16 * 1024)] }, "n"],
      [{ read: [], write: [] }, "n".repeat(16 * 1024)],
    ] as const) {
      const { error } = await db.from("api_keys").insert({ ...row("more", scopes), name });
      expect([error?.code, error?.message]).toEqual(["23514", expect.stringContaining("api_keys_size")]);
    }
    // A row from before.
    await supabase.sql("alter table api_keys drop constraint api_keys_size");
    expect((await db.from("api_keys").insert(row("old", { read: many(257), write: [] }))).error).toBeNull();
    await supabase.sql(CONFIG_SQL);
    const old = db.from("api_keys").update({ active: false }).eq("key", `old-${id}`);
    expect((await old).error).toBeNull();
    const again = await db.from("api_keys").update({ active: true }).eq("key", `old-${id}`);
    expect(again.error?.code).toBe("23514");
  });

  it("does not let a user take over the key of another user by its hash", async () => {
    const [one, other] = [await newUser(), await newUser()];
    const key = `key-${other.id}`;
    await other.create("theirs", key);
    expect((await one.db.from("api_keys").insert({ key_hash: sha256(key), scopes })).error?.code).toBe("23505");
  });

  it("gives no key to a user whose namespace belongs to another user", async () => {
    const id = randomUUID();
    const [one, other] = [await newUser(id), await newUser(`${id.slice(0, 8)}${randomUUID().slice(8)}`)];
    expect((await one.create("first", `key-${one.id}`)).error).toBeNull();
    expect((await one.create("second", `key2-${one.id}`)).error).toBeNull();
    const { error } = await other.create("third", `key-${other.id}`);
    expect(error?.message).toBe("Another user already has this user's namespace.");
  });

  it("changes nothing when it runs again", async () => {
    const { create, id } = await newUser();
    await create("mine", `key-${id}`);
    const dump = () =>
      supabase.sql(`select json_agg(to_jsonb(k) order by k.id)::text from api_keys k;
        select string_agg(indexdef, ';' order by indexname) from pg_indexes where tablename = 'api_keys';
        select string_agg(conname || pg_get_constraintdef(oid), ';' order by conname) from pg_constraint
          where conrelid = 'api_keys'::regclass;
        select string_agg(polname || pg_get_expr(polqual, polrelid), ';') from pg_policy;
        select relacl::text || relrowsecurity::text from pg_class where oid = 'api_keys'::regclass;
        select string_agg(proname || proacl::text, ';' order by proname) from pg_proc where proname ~ 'memx|api_key'`);
    const once = await dump();
    await supabase.sql(CONFIG_SQL);
    expect(await dump()).toBe(once);
  });

  it("keeps every existing key, finds it by its hash, and hides it from users", async () => {
    const columns = "name, key, user_id, lookup_hash";
    const rows = await supabase.sql(`select ${columns} from api_keys where name like 'old%' order by name`);
    expect(rows).toBe(kept);
    const { db } = await newUser();
    expect((await db.from("api_keys").select("*")).data).toEqual([]);
  });
});
