-- Reads a page of the keys that have a value or a schema, in byte order.
--
-- KEYS  1  index
--       2  entry of the namespace; with a key appended, the name of that key's entry
-- ARGV  1  key to start after, '' for the first page
--       2  maximum number of keys
--       3  bytes of JSON text after which to stop
--
-- Returns {<1 if more keys follow, else 0>, then for each key: name; value, its time in µs since the epoch, its revision,
-- created, expires, and agent; schema, its time, its revision, and agent}. Missing parts are nil. A key whose value has
-- expired and that has no schema has only its name.

local index, prefix = KEYS[1], KEYS[2]
local limit, max_bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local keys = redis.call('ZRANGE', index, from, '+', 'BYLEX', 'LIMIT', 0, limit + 1)
local answer = {'0'}
local bytes = 0
for n, key in ipairs(keys) do
  if n > limit or bytes > max_bytes then
    answer[1] = '1'
    break
  end
  local row = redis.call(
    'HMGET', prefix .. key, 'value', 'ts', 'value_revision', 'created', 'expires', 'agent',
    'schema', 'schema_ts', 'schema_revision', 'schema_agent')
  if row[5] and tonumber(row[5]) <= now then row[1] = false end
  answer[#answer + 1] = key
  for _, field in ipairs(row) do answer[#answer + 1] = field end
  bytes = bytes + #(row[1] or '') + #(row[7] or '')
end
return answer
