-- The common part of all scripts that may write. It is prepended to each of them. Their first KEYS and ARGV are these.
--
-- KEYS  1  counter: the revision of the namespace's last change
--       2  begin: the revision from which the namespace began to count
--       3  log: a stream of the last changes, without their texts; the id of a change is <revision>-0
--       4  texts: a hash from the revision of a change in the log to the JSON text that it set
--       5  index: a sorted set of the keys that have a value or a schema, all with score 0
--       6  expiries: a sorted set of the keys whose value has a time to live, by expiry time in µs since the epoch
--       7  bytes: total bytes of all values and schemas; exists only while a quota is in force
-- ARGV  1  number of changes that the log keeps
--       2  seconds that a tombstone is kept

local counter, begin, log, texts, index, expiries, bytes = unpack(KEYS, 1, 7)
local log_length, tombstone_seconds = tonumber(ARGV[1]), ARGV[2]

-- Lua would print whole numbers above 1e14 with an exponent.
local function whole(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

-- A namespace begins to count at the current time in milliseconds. So a store that was emptied or replaced does not
-- reuse revisions that channels, caches and clients remember.
local begun = redis.call('GET', counter)
local revision = tonumber(begun or math.floor(now / 1000))

-- Lets a script that frees memory, or needs very little of it, run although the memory is full: Redis refuses a script
-- for lack of memory only at its first write that needs any, unless another write came before. This one removes nothing,
-- because no key is empty. Returns false if Redis takes no writes, because it is a replica or cannot save.
local function run_when_full() return type(redis.pcall('ZREM', index, '')) == 'number' end

-- The state of a key. An expired value counts as gone from its expiry time on, although it is still stored.
local function read_row(entry, key)
  local fields = redis.call(
    'HMGET', entry, 'revision', 'ts', 'value_revision', 'schema_revision', 'watcher', 'expires', 'created', 'agent')
  local row = {
    entry = entry, key = key, revision = fields[1] or '0', ts = tonumber(fields[2] or 0), value = fields[3],
    schema = fields[4], watched = fields[5], expires = fields[6] and tonumber(fields[6]),
    created = fields[7] and tonumber(fields[7]), agent = fields[8],
  }
  row.indexed = row.value or row.schema
  row.over = row.expires and row.expires <= now
  if row.over then
    row.value = false
    row.ts = math.max(row.expires, row.ts + 1)
  end
  return row
end

-- Appends a change of the key to the log, and returns its revision. `details` are further fields of the change.
local function append(row, event, action, ts, text, details)
  revision = revision + 1
  local id = whole(revision)
  redis.call('XADD', log, id .. '-0', 'previous', row.revision, 'key', row.key,
    'event', event, 'action', action, 'ts', whole(ts), unpack(details or {}))
  redis.call('SET', counter, id)
  if not begun then
    redis.call('SET', begin, whole(revision - 1))
    begun = true
  end
  if text then redis.call('HSET', texts, id, text) end
  local oldest = revision - log_length + 1
  local gone = redis.call('XRANGE', log, '-', '(' .. whole(oldest) .. '-0')
  for _, change in ipairs(gone) do redis.call('HDEL', texts, string.match(change[1], '^%d+')) end
  if #gone > 0 then redis.call('XTRIM', log, 'MINID', '=', whole(oldest) .. '-0') end
  redis.call('HSET', row.entry, 'revision', id)
  row.revision = id
  return id
end

local function count_bytes(row, field, text)
  if redis.call('EXISTS', bytes) == 0 then return end
  redis.call('INCRBY', bytes, #text - redis.call('HSTRLEN', row.entry, field))
end

-- A key with neither a value nor a schema leaves the index, and its tombstone expires unless the key is watched. A key
-- whose value has expired stays in the index until the expiry is a change.
local function reindex(row)
  local indexed = row.value or row.schema or row.over
  if indexed and not row.indexed then
    redis.call('ZADD', index, 0, row.key)
    redis.call('PERSIST', row.entry)
  elseif row.indexed and not indexed then
    redis.call('ZREM', index, row.key)
    if not row.watched then redis.call('EXPIRE', row.entry, tombstone_seconds) end
  end
  row.indexed = indexed
end

local function remove_value(row, action, ts, details)
  local id = append(row, 'value', action, ts, nil, details)
  count_bytes(row, 'value', '')
  redis.call('HSET', row.entry, 'ts', whole(ts))
  redis.call('HDEL', row.entry, 'value_revision', 'value', 'expires', 'created', 'agent')
  if row.expires then redis.call('ZREM', expiries, row.key) end
  row.value, row.ts, row.expires, row.over, row.created, row.agent = false, ts, nil, false, false, false
  reindex(row)
  return id
end

-- Turns the expiry of a value into a change.
local function settle(row)
  if row.over then remove_value(row, 'expire', row.ts) end
end

-- Settles up to `limit` expired keys of the namespace; `prefix` is the entry of the namespace.
local function settle_all(prefix, limit)
  local due = redis.call('ZRANGE', expiries, '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, limit)
  for _, key in ipairs(due) do
    local row = read_row(prefix .. key, key)
    -- If the key has no expired value, Redis has lost the entry, and only this expiry is left of it.
    if row.over then settle(row) else redis.call('ZREM', expiries, key) end
  end
end

-- Milliseconds until the next value in the namespace expires, '' if none does.
local function next_expiry()
  local first = redis.call('ZRANGE', expiries, 0, 0, 'WITHSCORES')
  return first[2] and whole(math.max(0, math.ceil((tonumber(first[2]) - now) / 1000))) or ''
end
