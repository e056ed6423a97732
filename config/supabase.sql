-- memX's API keys in a Supabase project. Run it in the SQL editor or with psql. A second run changes nothing; a table
-- from an earlier memX is updated in place. Needs PostgreSQL 15 or later.

begin;

-- Immutable, unlike convert_to itself, because the result for this one encoding never changes.
create or replace function public.memx_sha256(text text) returns text
  language sql immutable strict parallel safe set search_path = ''
  as $$ select encode(sha256(pg_catalog.convert_to($1, 'UTF8')), 'hex') $$;

create table if not exists public.api_keys (
  id uuid not null default gen_random_uuid(),
  name text,
  key text,
  active boolean not null default true,
  scopes jsonb not null default '{"read": [], "write": []}',
  user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
  created_at timestamptz not null default now()
);

alter table public.api_keys
  add column if not exists id uuid not null default gen_random_uuid(),
  add column if not exists name text,
  add column if not exists created_at timestamptz not null default now(),
  -- SHA-256 of the API key in hexadecimal digits, instead of the key.
  add column if not exists key_hash text;

-- A row with only a hash has no key, so the key cannot be the primary key.
do $$
declare
  primary_key name;
begin
  select conname into primary_key
    from pg_constraint
    join pg_attribute on attrelid = conrelid and attnum = any (conkey)
    where conrelid = 'public.api_keys'::regclass and contype = 'p' and attname = 'key';
  if primary_key is not null then
    execute format('alter table public.api_keys drop constraint %I', primary_key);
  end if;
  if not exists (select from pg_constraint where conrelid = 'public.api_keys'::regclass and contype = 'p') then
    alter table public.api_keys add primary key (id);
  end if;
end $$;
alter table public.api_keys
  alter column key drop not null,
  alter column active set default true,
  alter column scopes set default '{"read": [], "write": []}',
  alter column user_id set default auth.uid();

-- memX looks up keys by this column. It comes from the key or from its hash, so one lookup finds both kinds of rows,
-- and no request contains a key.
alter table public.api_keys
  add column if not exists lookup_hash text generated always as (coalesce(key_hash, public.memx_sha256(key))) stored;
create unique index if not exists api_keys_lookup_hash on public.api_keys (lookup_hash);
create index if not exists api_keys_user_id on public.api_keys (user_id);

-- Not valid: existing rows are not checked, and memX refuses the keys of malformed rows.
alter table public.api_keys
  drop constraint if exists api_keys_key_or_hash,
  drop constraint if exists api_keys_key_characters,
  drop constraint if exists api_keys_key_hash,
  drop constraint if exists api_keys_scopes,
  drop constraint if exists api_keys_size;
alter table public.api_keys
  add constraint api_keys_key_or_hash check (num_nonnulls(key, key_hash) = 1 and key <> '') not valid,
  -- Headers carry nothing but visible ASCII unchanged, so memX refuses any other API key.
  add constraint api_keys_key_characters check (key ~ '^[\x21-\x7e]+$') not valid,
  add constraint api_keys_key_hash check (key_hash ~ '^[0-9a-f]{64}$') not valid,
  add constraint api_keys_scopes check (
    coalesce(jsonb_typeof(scopes::jsonb -> 'read'), '') = 'array'
      and coalesce(jsonb_typeof(scopes::jsonb -> 'write'), '') = 'array'
  ) not valid,
  -- As in memX, which refuses API keys with more, because it compiles them again and again. Rows from before can be
  -- deactivated.
  add constraint api_keys_size check (
    active is not true or (
      octet_length(scopes::text) + coalesce(octet_length(name), 0) <= 16384
        and 256 >=
          case when jsonb_typeof(scopes::jsonb -> 'read') = 'array' then jsonb_array_length(scopes::jsonb -> 'read') else 0 end
          + case when jsonb_typeof(scopes::jsonb -> 'write') = 'array' then jsonb_array_length(scopes::jsonb -> 'write') else 0 end
    )
  ) not valid;

-- A namespace is the first 8 characters of user_id. Two users with the same 8 characters would share their memory, so
-- the second user gets no key.
create or replace function public.memx_check_namespace() returns trigger
  language plpgsql security definer set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtext('memx:' || left(new.user_id::text, 8)));
  if exists (
    select from public.api_keys
      where left(user_id::text, 8) = left(new.user_id::text, 8) and user_id is distinct from new.user_id
  ) then
    raise exception 'Another user already has this user''s namespace.' using errcode = 'unique_violation';
  end if;
  return new;
end $$;
revoke execute on function public.memx_check_namespace() from public;
create index if not exists api_keys_namespace on public.api_keys (left(user_id::text, 8));
create or replace trigger api_keys_check_namespace
  before insert or update of user_id on public.api_keys
  for each row execute function public.memx_check_namespace();

-- A signed-in user sees and manages only their own keys. Policies add up, so this drops all earlier ones.
alter table public.api_keys enable row level security;
do $$
declare
  policy name;
begin
  for policy in select polname from pg_policy where polrelid = 'public.api_keys'::regclass loop
    execute format('drop policy %I on public.api_keys', policy);
  end loop;
end $$;
create policy "own keys" on public.api_keys
  for all to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));

revoke all on public.api_keys from public, anon, authenticated;
grant select, insert, update, delete on public.api_keys to authenticated;
grant all on public.api_keys to service_role;

-- The dashboard calls this function. It runs with the caller's rights, so the policy above applies.
drop function if exists public.create_api_key(text, text, json, boolean);
drop function if exists public.create_api_key(text, text, jsonb, boolean);
create function public.create_api_key(key_name text, key_value text, scopes jsonb, is_active boolean default true)
  returns void
  language sql security invoker set search_path = ''
  as $$
    insert into public.api_keys (name, key, scopes, active, user_id)
      values (key_name, key_value, create_api_key.scopes, is_active, auth.uid())
  $$;
revoke execute on function public.create_api_key(text, text, jsonb, boolean) from public, anon;
grant execute on function public.create_api_key(text, text, jsonb, boolean) to authenticated;

commit;

-- Makes the REST API see the changes at once.
notify pgrst, 'reload schema';
