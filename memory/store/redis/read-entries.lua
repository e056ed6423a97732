-- Reads the values and schemas of several keys.
--
-- KEYS  1   counter
--       2…  the entry of each key
-- ARGV  1  bytes of JSON text after which to stop
--
-- Returns {<revision of the namespace's last change>, then for each of the first keys, and for at least one: value, its
-- time in µs since the epoch, its revision, created, expires, and agent; schema, its time, its revision, and agent}.
-- Missing parts are nil.

local max_bytes = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local reply, bytes = {redis.call('GET', KEYS[1]) or '0'}, 0
for n = 2, #KEYS do
  if bytes > max_bytes then break end
  local row = redis.call(
    'HMGET', KEYS[n], 'value', 'ts', 'value_revision', 'created', 'expires', 'agent',
    'schema', 'schema_ts', 'schema_revision', 'schema_agent')
  if row[5] and tonumber(row[5]) <= now then row[1] = false end
  for _, field in ipairs(row) do reply[#reply + 1] = field end
  bytes = bytes + #(row[1] or '') + #(row[7] or '')
end
return reply
