-- Applies the operations of one write, or none of them.
--
-- KEYS  1  counter: the revision of the namespace's last change
--       2  log: a stream of the last changes without their texts; the id of a change is <revision>-0
--       3  texts: a hash from the revision of a change in the log to the JSON text that was set
--       4  index: a sorted set of the keys that hold a value or have a schema, all with score 0
--       5  entry of the namespace, a hash that only says who watches all of it
--       6  idempotency record: what a write under this id came to
--       7  begin: where the namespace began to count
--       8… the entry of each operation's key, a hash
-- ARGV  1  how many changes the log keeps
--       2  fingerprint of the request, or '' for a write that can not be repeated
--       3  seconds for which it can be repeated
--       4  seconds for which a tombstone stays
--       5… for each operation: op, key, JSON text ('' for a delete), schema revision that the value was checked against
--
-- Answers {'applied', '<revision> <previous> <µs since the epoch> <watched: 1 the key, 2 the namespace, 3 both> …'}, four
-- numbers for each operation and all 0 where it had nothing to change; {'schema_changed', <key>, <revision, 0 for none>,
-- <schema>, <µs since the epoch>}; or {'id_reused'}.

local counter, log, texts, index, namespace, record, begin =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local log_length, fingerprint, record_seconds, tombstone_seconds = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

if fingerprint ~= '' then
  local earlier = redis.call('GET', record)
  if earlier then
    local first, results = string.match(earlier, '^(%S+) (.*)$')
    if first ~= fingerprint then return {'id_reused'} end
    return {'applied', results}
  end
end

local operations = {}
for n = 8, #KEYS do
  local at = 5 + (n - 8) * 4
  operations[#operations + 1] = {
    entry = KEYS[n], op = ARGV[at], key = ARGV[at + 1], text = ARGV[at + 2], schema_revision = ARGV[at + 3],
  }
end

-- What is known of each entry; everything is read before anything is written.
local rows = {}
for _, operation in ipairs(operations) do
  if not rows[operation.entry] then
    local row = redis.call('HMGET', operation.entry, 'revision', 'ts', 'value_revision', 'schema_revision', 'watcher')
    rows[operation.entry] = {
      revision = row[1] or '0', ts = tonumber(row[2] or 0), value = row[3], schema = row[4], watched = row[5],
    }
  end
  local schema_revision = rows[operation.entry].schema or '0'
  if operation.op == 'set' and operation.schema_revision ~= schema_revision then
    local schema = redis.call('HMGET', operation.entry, 'schema', 'schema_ts')
    return {'schema_changed', operation.key, schema_revision, schema[1], schema[2]}
  end
end

-- Whole numbers beyond 1e14 would be printed with an exponent.
local function whole(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]
-- A namespace begins to count at the time in milliseconds. So a store that was emptied or replaced does not give out
-- revisions again that channels, caches and clients of the earlier one remember.
local begun = redis.call('GET', counter)
local revision = tonumber(begun or math.floor(now / 1000))
local namespace_watched = redis.call('HEXISTS', namespace, 'watcher') == 1

local EVENTS = {
  set = {'value', 'set'}, delete = {'value', 'delete'},
  schema_set = {'schema', 'set'}, schema_delete = {'schema', 'delete'},
}

local function apply(operation)
  local op, entry, row = operation.op, operation.entry, rows[operation.entry]
  if (op == 'delete' and not row.value) or (op == 'schema_delete' and not row.schema) then return '0 0 0 0' end
  revision = revision + 1
  local id = whole(revision)
  -- A value's time never stands still or goes back, whatever the clock does.
  local ts = EVENTS[op][1] == 'value' and math.max(now, row.ts + 1) or now
  redis.call('XADD', log, id .. '-0', 'previous', row.revision, 'key', operation.key,
    'event', EVENTS[op][1], 'action', EVENTS[op][2], 'ts', whole(ts))
  redis.call('SET', counter, id)
  if not begun then
    redis.call('SET', begin, whole(revision - 1))
    begun = true
  end
  if EVENTS[op][2] == 'set' then redis.call('HSET', texts, id, operation.text) end
  local oldest = revision - log_length + 1
  local gone = redis.call('XRANGE', log, '-', '(' .. whole(oldest) .. '-0')
  for _, change in ipairs(gone) do redis.call('HDEL', texts, string.match(change[1], '^%d+')) end
  if #gone > 0 then redis.call('XTRIM', log, 'MINID', '=', whole(oldest) .. '-0') end

  local held_something = row.value or row.schema
  if op == 'set' then
    redis.call('HSET', entry, 'revision', id, 'ts', whole(ts), 'value_revision', id, 'value', operation.text)
    row.value, row.ts = id, ts
  elseif op == 'delete' then
    redis.call('HSET', entry, 'revision', id, 'ts', whole(ts))
    redis.call('HDEL', entry, 'value_revision', 'value')
    row.value, row.ts = false, ts
  elseif op == 'schema_set' then
    redis.call('HSET', entry, 'revision', id, 'schema_revision', id, 'schema_ts', whole(ts), 'schema', operation.text)
    row.schema = id
  elseif op == 'schema_delete' then
    redis.call('HSET', entry, 'revision', id)
    redis.call('HDEL', entry, 'schema_revision', 'schema_ts', 'schema')
    row.schema = false
  end
  if row.value or row.schema then
    if not held_something then
      redis.call('ZADD', index, 0, operation.key)
      redis.call('PERSIST', entry)
    end
  else
    redis.call('ZREM', index, operation.key)
    if not row.watched then redis.call('EXPIRE', entry, tombstone_seconds) end
  end

  local watched = (row.watched and 1 or 0) + (namespace_watched and 2 or 0)
  local result = id .. ' ' .. row.revision .. ' ' .. whole(ts) .. ' ' .. watched
  row.revision = id
  return result
end

local results = {}
for n, operation in ipairs(operations) do results[n] = apply(operation) end

results = table.concat(results, ' ')
if fingerprint ~= '' then redis.call('SET', record, fingerprint .. ' ' .. results, 'EX', record_seconds) end
return {'applied', results}
