-- Reads a page of the keys that have a value or a schema, in byte order, without the values and schemas.
--
-- KEYS  1  index
--       2  entry of the namespace; with a key appended, the name of that key's entry
-- ARGV  1  key to start after, '' for the first page
--       2  maximum number of keys to look at
--
-- Returns {<key to start the next page after, '' if none follows>, then for each key: name, revision of its value,
-- revision of its schema, '0' for none}. A key whose value has expired and that has no schema is left out.

local index, prefix, limit = KEYS[1], KEYS[2], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local keys = redis.call('ZRANGE', index, from, '+', 'BYLEX', 'LIMIT', 0, limit)
local reply = {#keys == limit and keys[limit] or ''}
for _, key in ipairs(keys) do
  local row = redis.call('HMGET', prefix .. key, 'value_revision', 'schema_revision', 'expires')
  if row[3] and tonumber(row[3]) <= now then row[1] = false end
  if row[1] or row[2] then
    for _, item in ipairs({key, row[1] or '0', row[2] or '0'}) do reply[#reply + 1] = item end
  end
end
return reply
