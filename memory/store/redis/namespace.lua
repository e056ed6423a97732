-- The common part of all scripts that may write. It is prepended to each of them. Their first KEYS and ARGV are these.
--
-- KEYS  1  counter: the revision of the namespace's last change
--       2  begin: the revision from which the namespace began to count
--       3  log: a stream of the last changes, without their texts; the id of a change is <revision>-0
--       4  texts: a hash from the revision of a change in the log to the JSON text that it set
--       5  index: a sorted set of the keys that have a value or a schema, all with score 0
--       6  expiries: a sorted set of the keys whose value has a time to live, by expiry time in µs since the epoch
--       7  bytes: total bytes of all values and schemas; exists only while a quota is in force. With ':log' appended: bytes
--          and changes of the log. With ':gone' appended: a sorted set of the deleted keys that have a tombstone, by its time in µs.
--          With ':records' appended: a sorted set of the idempotency records; see write.lua
-- ARGV  1  bounds of the log: changes, bytes, and the bytes that a change or an idempotency record counts for besides its
--          texts
--       2  bounds of the tombstones: seconds, number, number even in a full namespace, and the bytes that one counts for

local counter, begin, log, texts, index, expiries, bytes = unpack(KEYS, 1, 7)
local logged_key, gone = bytes .. ':log', bytes .. ':gone'

-- Up to four numbers, separated by spaces.
local function numbers_of(text)
  local a, b, c, d = string.match(text, '^(%d+) (%d+) (%d+) ?(%d*)$')
  return tonumber(a), tonumber(b), tonumber(c), tonumber(d)
end
local log_length, log_bytes, row_bytes = numbers_of(ARGV[1])
local tombstone_seconds, max_tombstones, min_tombstones, tombstone_bytes = numbers_of(ARGV[2])

local function add(list, ...)
  for n = 1, select('#', ...) do list[#list + 1] = select(n, ...) end
end

-- Lua would print whole numbers above 1e14 with an exponent.
local function whole(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

-- A namespace begins to count at the current time in microseconds. One change takes longer than that, so its counter
-- stays behind the clock. So a store that was emptied, replaced, or set back does not reuse revisions that channels,
-- caches, and clients remember.
--
-- The origin says where the present count comes from: '<run> <base> <at>'. In `run`, Redis's data set has not been set
-- back. Since the revision `base`, the count has no gap. At the time `at`, this was last found.
local origin = counter .. ':origin'
-- A ninth key of write.lua is a string, too.
local stored = redis.call('MGET', counter, origin, logged_key, bytes, KEYS[9] or counter)
local begun, revision, total_bytes = stored[1], tonumber(stored[1] or now), tonumber(stored[4])
local base, gap_after

-- What the next change writes of these strings, in one command.
local counts = {}
local function count(key, text) add(counts, key, text) end
local function store_counts()
  redis.call('MSET', unpack(counts))
  counts = {}
end

-- Lets a script that frees memory, or needs very little of it, run although the memory is full: Redis refuses a script
-- for lack of memory only at its first write that needs any, unless another write came before. This one removes nothing,
-- because no key is empty. Returns false if Redis takes no writes, because it is a replica or cannot save.
local function run_when_full() return type(redis.pcall('ZREM', index, '')) == 'number' end

-- Whether a script that Redis refuses may run all the same, because it frees memory; write.lua decides.
local function frees_memory() return false end

-- The first write of a change, and so of a script.
local function first_write(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    if frees_memory() then run_when_full() end
    return redis.call(...)
  end
  return reply
end

-- Names the run of the server, '-' if Redis does not say. A replication id changes with each restart, promotion, and full
-- resynchronization, which are the moments at which Redis may lose acknowledged writes.
local function current_run(expected)
  local info = redis.pcall('INFO', 'replication')
  if type(info) == 'string' then
    if string.find(info, 'master_replid:' .. expected .. '\r', 1, true) then return expected end
    local run = string.match(info, 'master_replid:(%w+)')
    if run then return run end
  end
  info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'
end

-- Before the first change of a script: if Redis may have lost changes since the last one, the counter jumps past all
-- revisions that they may have had. The next change says in `after` where the gap begins. Without a run, Redis may have
-- lost changes whenever nothing has changed for a second.
local function continue_count()
  if base then return end
  local run, since, at = string.match(stored[2] or '', '^(%S+) (%d+) (%d+)$')
  local known = current_run(run or '')
  base = tonumber(since)
  local continues = begun and run == known and (known ~= '-' or math.abs(now - at) < 1e6)
  if continues and known ~= '-' then return end
  if begun and not continues then
    -- If the clock is behind the counter, the clock went back.
    gap_after, revision = revision, now > revision and now or revision + 1e6
  end
  if not continues then base = revision end
  count(origin, known .. ' ' .. whole(base) .. ' ' .. whole(now))
end

-- Reads the marks of the channels that watch an entry, '<token> <end> …', the one that was renewed first at the front.
-- Each memX process on this Redis has its own channel, and so its own mark, which ends unless the channel renews it. A token
-- is '<owner>.<nonce>', or '<process>:<owner>.<nonce>' if the process has a name.
local MARK_US, MAX_MARKS = 300e6, 64
local NONE = {}
local function marks_of(text)
  if not text then return NONE end
  local marks = {}
  -- An earlier memX wrote one token, without an end.
  if not string.find(text, ' ', 1, true) then text = text .. ' ' .. whole(now + MARK_US) end
  for token, ends in string.gmatch(text, '(%S+) (%d+)') do
    if tonumber(ends) > now then marks[#marks + 1] = {token = token, ends = ends} end
  end
  return marks
end

local function write_marks(entry, marks)
  local texts = {}
  for n, mark in ipairs(marks) do texts[n] = mark.token .. ' ' .. mark.ends end
  redis.call('HSET', entry, 'watcher', table.concat(texts, ' '))
end

-- The state of a key. An expired value counts as gone from its expiry time on, although it is still stored.
local function read_row(entry, key)
  local fields = redis.call(
    'HMGET', entry, 'revision', 'ts', 'value_revision', 'schema_revision', 'watcher', 'expires', 'created', 'agent')
  local row = {
    entry = entry, key = key, revision = fields[1] or '0', ts = tonumber(fields[2] or 0), value = fields[3],
    schema = fields[4], marks = marks_of(fields[5]), expires = fields[6] and tonumber(fields[6]), created = fields[7],
    agent = fields[8],
  }
  row.indexed = row.value or row.schema
  row.exists = fields[1] or fields[5]
  row.watched = #row.marks > 0
  row.over = row.expires and row.expires <= now
  if row.over then
    row.value = false
    row.ts = math.max(row.expires, row.ts + 1)
  end
  return row
end

-- Bytes of the value or schema of a key.
local function stored_bytes(row, field)
  local sizes = row.sizes or {}
  row.sizes = sizes
  sizes[field] = sizes[field] or redis.call('HSTRLEN', row.entry, field)
  return sizes[field]
end

-- What a change in the log counts for, in bytes.
local function size_of(change)
  local fields = change[2]
  if fields[#fields - 1] == 'size' then return tonumber(fields[#fields]) end
  -- A change of an earlier memX.
  local size = row_bytes + redis.call('HSTRLEN', texts, string.match(change[1], '^%d+'))
  for n = 1, #fields, 2 do
    if fields[n] == 'key' then return size + #fields[n + 1] end
  end
end

-- Bytes of the log, and its number of changes. An earlier memX did not count the changes, or neither.
local logged, changes = string.match(stored[3] or '', '^(%d+) (%d+)$')
logged, changes = tonumber(logged or stored[3]), tonumber(changes)
local function read_logged()
  changes = changes or redis.call('XLEN', log)
  if logged then return end
  logged = 0
  for _, change in ipairs(redis.call('XRANGE', log, '-', '+')) do logged = logged + size_of(change) end
end
local function logged_text() return string.format('%.0f %.0f', logged, changes) end

-- Runs at the end of each script that may append. Drops the oldest changes of the log if it has too many or too large
-- ones. It keeps the last one in any case. Unless a script appended several, up to a sixteenth more changes stay until they
-- leave together, because one at a time would take three commands for each write.
local function trim_log(has_several)
  local slack = has_several and 0 or math.floor(log_length / 16)
  if not logged or not changes or changes <= log_length + slack and logged <= log_bytes then return end
  local newest, kept, dropped = whole(revision), nil, nil
  changes = redis.call('XLEN', log)
  repeat
    local ids = {}
    for _, change in ipairs(redis.call('XRANGE', log, dropped and '(' .. dropped or '-', '+',
      'COUNT', math.max(1, math.min(changes - log_length, 63)) + 1)) do
      local id = string.match(change[1], '^%d+')
      if id == newest or (changes <= log_length and logged <= log_bytes) then
        kept = change[1]
        break
      end
      logged, changes, dropped, ids[#ids + 1] = logged - size_of(change), changes - 1, change[1], id
      -- Without this change, the log no longer shows which earlier positions are in the gap. From now on, none counts.
      if change[2][11] == 'after' then redis.call('SET', begin, whole(id - 1)) end
    end
    if #ids > 0 then redis.call('HDEL', texts, unpack(ids)) end
  until kept
  if dropped then redis.call('XTRIM', log, 'MINID', '=', kept) end
  redis.call('SET', logged_key, logged_text())
end

-- Appends a change of the key to the log, writes it to the entry, and returns its revision. `ts` is a text. `details` are
-- further fields of the change, `fields` of the entry.
local function append(row, event, action, ts, text, details, fields)
  continue_count()
  local more = {unpack(details or {})}
  if gap_after then more, gap_after = {'after', whole(gap_after), unpack(more)}, nil end
  read_logged()
  local size = row_bytes + #row.key + #(text or '')
  logged, changes, revision = logged + size, changes + 1, revision + 1
  add(more, 'size', string.format('%d', size))
  local id = whole(revision)
  first_write('XADD', log, id .. '-0', 'previous', row.revision, 'key', row.key,
    'event', event, 'action', action, 'ts', ts, unpack(more))
  count(counter, id)
  count(logged_key, logged_text())
  if not begun then
    count(begin, whole(revision - 1))
    begun = true
  end
  if total_bytes then
    total_bytes = total_bytes + #(text or '') - stored_bytes(row, event)
    count(bytes, whole(total_bytes))
  end
  if row.sizes then row.sizes[event] = #(text or '') end
  store_counts()
  if text then redis.call('HSET', texts, id, text) end
  local set = {'revision', id, event == 'value' and 'ts' or 'schema_ts', ts, unpack(fields or {})}
  if text then add(set, event .. '_revision', id, event, text) end
  redis.call('HSET', row.entry, unpack(set))
  row.revision = id
  return id
end

-- If there are too many tombstones, removes up to 100 of the oldest, except those of watched keys.
local function trim_tombstones(prefix)
  local excess = redis.call('ZCARD', gone) - max_tombstones
  if excess <= 0 then return end
  for _, key in ipairs(redis.call('ZRANGE', gone, 0, math.min(excess, 100) - 1)) do
    redis.call('ZREM', gone, key)
    local old = read_row(prefix .. key, key)
    if not old.watched and not old.indexed then redis.call('DEL', old.entry) end
  end
end

-- Remembers that the key has a tombstone.
local function bury(row)
  redis.call('ZREMRANGEBYSCORE', gone, '-inf', whole(now - tombstone_seconds * 1e6))
  redis.call('ZADD', gone, whole(now), row.key)
  redis.call('EXPIRE', gone, tombstone_seconds)
  trim_tombstones(string.sub(row.entry, 1, #row.entry - #row.key))
end

-- A key with neither a value nor a schema leaves the index, and its tombstone expires, unless a watch keeps it for longer.
-- A key whose value has expired stays in the index until the expiry is a change.
local function reindex(row)
  local indexed = row.value or row.schema or row.over
  if indexed and not row.indexed then
    redis.call('ZADD', index, 0, row.key)
    -- Only what was there may expire, or have a tombstone.
    if row.exists then
      redis.call('PERSIST', row.entry)
      redis.call('ZREM', gone, row.key)
    end
    row.exists = true
  elseif row.indexed and not indexed then
    redis.call('ZREM', index, row.key)
    redis.call('EXPIRE', row.entry, tombstone_seconds)
    bury(row)
  end
  row.indexed = indexed
end

local function remove_value(row, action, ts, details)
  local id = append(row, 'value', action, whole(ts), nil, details)
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
