-- Applies all operations of one write, or none. Runs after namespace.lua.
--
-- KEYS  8  entry of the namespace, a hash that only has the watch of the whole namespace
--       9  idempotency record: the outcome of a write under this id
--       10… the entry of each operation's key, a hash
-- ARGV  3  maximum number of keys with a value or a schema, '' for no limit
--       4  maximum bytes of all values and schemas, '' for no limit
--       5  how far ahead of the clock a caller's time may be, in µs
--       6  fingerprint of the request, '' for a write without an idempotency id
--       7  bounds of the idempotency records: seconds, number, bytes, and bytes even in a full namespace
--       8  '1' if a repeat needs the text that the first operation wrote
--       9  name that the writer gave itself, '' for none
--       10 name of the memX process that writes, '' if it hears of no other
--       11… for each operation: op, key, JSON text ('' for none), revision of the schema that the value was checked
--          against, expected revision ('' for any), the caller's time in µs since the epoch ('' for now), time to live
--          in µs ('' for no expiry, 'keep' to keep the current expiry)
--
-- Returns {'applied', <results>, <in a repeat that needs it, the text that the first operation wrote>, <revision since which
-- the count has no gap>, <revision of the namespace's last change>}, without the last two for a repeat. The results are one
-- text: first four numbers for each operation, '<revision> <previous> <µs since the epoch> <watched: 1 the key, 2 the namespace, 3 both>'; then two for
-- each, '<when its value was created> <when its value expires>', in µs since the epoch, 0 for none; then the name of the
-- writer, if it gave one. Only watches of its own process count as watched if that has a name. An operation with
-- nothing to change has 0, the current revision, the key's time, 0; 0 0.
-- If nothing was applied, returns one of
--   {'conflict', <operation>, <current revision>, <revision of the namespace's last change>, <current text>,
--     <µs since the epoch>, <created>, <expires>, <agent>}
--   {'ts_ahead', <operation>}
--   {'schema_changed', for each key: <key>, <revision, 0 for none>, <schema>, <µs since the epoch>, <agent>}
--   {'quota_exceeded', 'keys' or 'bytes'}
--   {'id_reused'}
--   {'value_gone', <revision>}, for a repeat that needs a text which is no longer stored

local ARGUMENTS, SCHEMA_BYTES = 7, 1024 * 1024
local namespace, record = KEYS[8], KEYS[9]
local max_keys, max_bytes, max_ahead = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local fingerprint, needs_text, agent, process = ARGV[6], ARGV[8] == '1', ARGV[9], ARGV[10]
local record_seconds, max_records, record_bytes, min_record_bytes
if fingerprint ~= '' then record_seconds, max_records, record_bytes, min_record_bytes = numbers_of(ARGV[7]) end

if fingerprint ~= '' then
  local earlier = stored[5]
  if earlier then
    -- A record of an earlier memX may have the text itself.
    local first, results, text = string.match(earlier, '^(%S+) ([^\n]*)\n?(.*)$')
    if first ~= fingerprint then return {'id_reused'} end
    local id = string.match(results, '^%d+')
    if not needs_text or text ~= '' or id == '0' then return {'applied', results, text} end
    text = redis.call('HGET', texts, id)
    if not text then
      local current = redis.call('HMGET', KEYS[10], 'value_revision', 'value')
      text = current[1] == id and current[2]
    end
    return text and {'applied', results, text} or {'value_gone', id}
  end
end

-- The revision of the namespace's last change, 0 before the first.
local function head() return begun and whole(revision) or '0' end

local operations, rows = {}, {}
for n = 10, #KEYS do
  local at = 11 + (n - 10) * ARGUMENTS
  local key = ARGV[at + 1]
  local row = rows[key] or read_row(KEYS[n], key)
  rows[key] = row
  operations[#operations + 1] = {
    row = row, op = ARGV[at], text = ARGV[at + 2], schema_revision = ARGV[at + 3], expect = ARGV[at + 4],
    ts = tonumber(ARGV[at + 5]), ttl = ARGV[at + 6],
  }
end

-- Conditions refer to the state before the first operation. All of them are checked before anything is written.
local function of_schema(operation) return operation.op == 'schema_set' or operation.op == 'schema_delete' end
local function current_revision(operation)
  return (of_schema(operation) and operation.row.schema) or (not of_schema(operation) and operation.row.value) or '0'
end

for n, operation in ipairs(operations) do
  local revision = current_revision(operation)
  if operation.expect ~= '' and operation.expect ~= revision then
    local reply, entry = {'conflict', whole(n - 1), revision, head()}, operation.row.entry
    if of_schema(operation) then
      local current = redis.call('HMGET', entry, 'schema', 'schema_ts', 'schema_agent')
      for field, text in ipairs({current[1], current[2], false, false, current[3]}) do reply[4 + field] = text end
    else
      local current = redis.call('HMGET', entry, 'value', 'ts', 'created', 'expires', 'agent')
      for field, text in ipairs(current) do reply[4 + field] = text end
    end
    return reply
  end
  if operation.ts and operation.ts > now + max_ahead then return {'ts_ahead', whole(n - 1)} end
end

local stale, stale_bytes, told = {'schema_changed'}, 0, {}
for _, operation in ipairs(operations) do
  local row = operation.row
  local schema_revision = row.schema or '0'
  if operation.op == 'set' and operation.schema_revision ~= schema_revision and not told[row] and stale_bytes < SCHEMA_BYTES then
    local schema = redis.call('HMGET', row.entry, 'schema', 'schema_ts', 'schema_agent')
    for _, item in ipairs({row.key, schema_revision, schema[1], schema[2], schema[3]}) do stale[#stale + 1] = item end
    told[row], stale_bytes = true, stale_bytes + #(schema[1] or '')
  end
end
if #stale > 1 then return stale end

-- Plans what each operation changes, and counts the keys that the write adds, and the bytes of the texts that the log
-- keeps of it.
local more_keys, kept_bytes = 0, 0
for _, row in pairs(rows) do row.plan = {value = row.value, schema = row.schema, ts = row.ts} end
for _, operation in ipairs(operations) do
  local op, plan = operation.op, operation.row.plan
  if op == 'set' then
    -- A value's time always increases, whatever the clock does. Among times that callers give, the latest wins.
    operation.at = operation.ts or math.max(now, plan.ts + 1)
    operation.changes = operation.at > plan.ts
    if operation.changes then
      plan.value, plan.ts, plan.value_bytes = true, operation.at, #operation.text
      kept_bytes = kept_bytes + #operation.text
    end
  elseif op == 'delete' then
    operation.at = math.max(now, plan.ts + 1)
    operation.changes = plan.value
    if operation.changes then plan.value, plan.ts, plan.value_bytes = false, operation.at, 0 end
  elseif op == 'schema_set' then
    operation.changes = true
    plan.schema, plan.schema_bytes = true, #operation.text
    kept_bytes = kept_bytes + #operation.text
  elseif op == 'schema_delete' then
    operation.changes = plan.schema
    plan.schema, plan.schema_bytes = false, 0
  end
end
for _, row in pairs(rows) do
  more_keys = more_keys + ((row.plan.value or row.plan.schema or row.over) and 1 or 0) - (row.indexed and 1 or 0)
end

-- The bytes of values and schemas that the write adds. Nothing is applied yet.
local function count_more_bytes()
  local more = 0
  for _, row in pairs(rows) do
    if row.plan.value_bytes then more = more + row.plan.value_bytes - stored_bytes(row, 'value') end
    if row.plan.schema_bytes then more = more + row.plan.schema_bytes - stored_bytes(row, 'schema') end
  end
  return more
end

frees_memory = function() return count_more_bytes() + kept_bytes < 0 end

-- What memX itself keeps counts against the quota, and gives way to values and schemas: of the bytes that these leave, the
-- log may have half, the idempotency records a quarter, and the tombstones a quarter.
local has_quota, was_counted = max_keys or max_bytes, total_bytes
if max_keys then
  local keys = redis.call('ZCARD', index) + more_keys
  if more_keys > 0 and keys > max_keys then return {'quota_exceeded', 'keys'} end
  max_tombstones = math.min(max_tombstones, max_keys - keys)
end
if max_bytes then
  if not total_bytes then
    -- Counted in full only once, when a quota comes into force.
    total_bytes = 0
    for _, key in ipairs(redis.call('ZRANGE', index, 0, -1)) do
      for _, field in ipairs({'value', 'schema'}) do
        total_bytes = total_bytes + redis.call('HSTRLEN', namespace .. key, field)
      end
    end
    first_write('SET', bytes, whole(total_bytes))
  end
  local more_bytes = count_more_bytes()
  if more_bytes > 0 and total_bytes + more_bytes > max_bytes then return {'quota_exceeded', 'bytes'} end
  local left = math.max(0, max_bytes - total_bytes - more_bytes)
  log_bytes = math.min(log_bytes, left / 2)
  if record_bytes then record_bytes = math.max(min_record_bytes, math.min(record_bytes, left / 4)) end
  max_tombstones = math.min(max_tombstones, math.floor(left / 4 / tombstone_bytes))
end
max_tombstones = math.max(max_tombstones, min_tombstones)
-- The quota is no longer in force.
if not max_bytes then total_bytes = nil end

-- Whether the writing process watches, and a list of the other named processes that do. A process without a name learns
-- that anyone watches.
local function watchers_of(marks)
  if marks == NONE then return false, NONE end
  local own, others = false, {}
  for _, mark in ipairs(marks) do
    local name = string.match(mark.token, '^([^:]*):') or ''
    if process == '' or name == process then
      own = true
    elseif name ~= '' then
      add(others, name)
    end
  end
  return own, others
end
local namespace_watched, namespace_others = watchers_of(marks_of(redis.call('HGET', namespace, 'watcher')))

-- What to tell other processes: the last change to each key that they watch, and the last change for those that watch
-- the namespace. The channels there find the changes before it in the log.
local news, news_of = {}, {}
local function tell(topic, others, operation, change)
  if #others == 0 then return end
  if not news_of[topic] then
    news_of[topic] = {topic = topic, others = others, ttl = ''}
    add(news, news_of[topic])
  end
  local item, ttl = news_of[topic], tonumber(operation.ttl)
  item.change = change
  if ttl then item.ttl = math.min(ttl, item.ttl == '' and ttl or item.ttl) end
end

local function set_value(row, operation, at)
  local expires = nil
  if operation.ttl == 'keep' then
    expires = row.expires
  elseif operation.ttl ~= '' then
    expires = now + tonumber(operation.ttl)
  end
  -- A value that was written before entries had this field has none.
  local created = row.created
  if not row.value then created = at end
  local details = {}
  if created then add(details, 'created', created) end
  if expires then add(details, 'expires', whole(expires)) end
  if agent ~= '' then add(details, 'agent', agent) end
  local fields = {unpack(details)}
  -- An empty name replaces an earlier one, so that no second command must remove it.
  if agent == '' and row.agent then add(fields, 'agent', '') end
  local id = append(row, 'value', 'set', at, operation.text, details, fields)
  if expires then
    redis.call('ZADD', expiries, whole(expires), row.key)
  elseif row.expires then
    redis.call('HDEL', row.entry, 'expires')
    redis.call('ZREM', expiries, row.key)
  end
  row.value, row.ts, row.expires, row.created, row.agent = id, operation.at, expires, created, agent ~= '' or row.agent
  return id
end

local by = agent ~= '' and {'agent', agent} or {}

local function set_schema(row, text)
  local id = append(row, 'schema', 'set', whole(now), text, by, {'schema_agent', agent})
  row.schema = id
  return id
end

local function delete_schema(row)
  local id = append(row, 'schema', 'delete', whole(now), nil, by)
  redis.call('HDEL', row.entry, 'schema_revision', 'schema_ts', 'schema', 'schema_agent')
  row.schema = false
  return id
end

-- Returns the four numbers of the operation, and the two after them.
local function apply(operation)
  local op, row = operation.op, operation.row
  if not operation.changes then return '0 ' .. current_revision(operation) .. ' ' .. whole(row.ts) .. ' 0', '0 0' end
  if op == 'set' then settle(row) end
  local previous, at, id = row.revision, whole(operation.at or now), nil
  if op == 'set' then
    id = set_value(row, operation, at)
  elseif op == 'delete' then
    id = remove_value(row, 'delete', operation.at, by)
  elseif op == 'schema_set' then
    id = set_schema(row, operation.text)
  else
    id = delete_schema(row)
  end
  reindex(row)
  local key_watched, key_others = watchers_of(row.marks)
  local watched = (key_watched and 1 or 0) + (namespace_watched and 2 or 0)
  local created, expires = '0', '0'
  if op == 'set' then created, expires = row.created or '0', row.expires and whole(row.expires) or '0' end
  if #key_others + #namespace_others > 0 then
    local event, action = of_schema(operation) and 'schema' or 'value', operation.text == '' and 'delete' or 'set'
    local change = {id, previous, row.key, event, action, at, operation.text, created, expires, agent}
    tell(row.key, key_others, operation, change)
    tell('', namespace_others, operation, change)
  end
  return id .. ' ' .. previous .. ' ' .. at .. ' ' .. watched, created .. ' ' .. expires
end

local results, count = {}, #operations
for n, operation in ipairs(operations) do results[n], results[count + n] = apply(operation) end
if agent ~= '' then add(results, agent) end

trim_log(#operations > 1)
-- Under a quota, a set too may leave less room for tombstones.
if has_quota then trim_tombstones(namespace) end

-- Not earlier: Redis refuses a script for lack of memory only at its first write, and a DEL needs no memory.
if was_counted and not max_bytes then redis.call('DEL', bytes) end

-- Counts the record. The oldest records leave if there are too many, or too large ones; a bounded number of them in one
-- step. `records` has each as '<when it expires, in µs> <its key>', with the bytes of it and all before it as the score.
local function keep_record(size)
  local records = bytes .. ':records'
  local last = redis.call('ZRANGE', records, -1, -1, 'WITHSCORES')
  local total = tonumber(last[2] or 0) + size + #record + row_bytes
  redis.call('ZADD', records, whole(total), whole(now + record_seconds * 1e6) .. ' ' .. record)
  redis.call('EXPIRE', records, record_seconds)
  for _ = 1, 100 do
    local first = redis.call('ZRANGE', records, 0, 0, 'WITHSCORES')
    local expires, old = string.match(first[1], '^(%d+) (.*)$')
    -- Redis has removed an expired record itself. By now a later record may have its name.
    local expired = tonumber(expires) <= now
    if not expired and tonumber(first[2]) > total - record_bytes and redis.call('ZCARD', records) <= max_records then return end
    redis.call('ZREM', records, first[1])
    if not expired then redis.call('DEL', old) end
  end
end

results = table.concat(results, ' ')
if fingerprint ~= '' then
  local text = fingerprint .. ' ' .. results
  redis.call('SET', record, text, 'EX', record_seconds)
  keep_record(#text)
end

-- Last, and without an effect on the write if it fails. The first line names the processes that the message is for; the
-- second is JSON: the namespace as in its tag, the revision since which the count has no gap, and for each topic the
-- processes that watch it, its key ('' for the namespace), the time to live in µs ('' for none), and ten texts as in
-- read-log.lua. The texts go into JSON as strings, so nothing in them changes.
if #news > 0 then
  local tag = string.match(counter, '^{memx:(.*)}:')
  local names, message = {}, {tag, whole(base or revision)}
  for _, item in ipairs(news) do
    for _, name in ipairs(item.others) do names[name] = true end
    local ttl = item.ttl == '' and '' or whole(item.ttl)
    add(message, {table.concat(item.others, ' '), item.topic, ttl, unpack(item.change)})
  end
  local list = {}
  for name in pairs(names) do add(list, name) end
  redis.pcall('SPUBLISH', '{memx:' .. tag .. '}:news', table.concat(list, ' ') .. '\n' .. cjson.encode(message))
end
return {'applied', results, false, whole(base or revision), head()}
