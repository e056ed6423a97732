-- Reads a page of the keys that have a value and start with a prefix, in byte order.
--
-- KEYS  1  index
--       2  entry of the namespace; with a key appended, the name of that key's entry
--       3  counter
-- ARGV  1  prefix, '' for all
--       2  key to start after, which starts with the prefix; '' for the first page
--       3  maximum number of keys to look at
--       4  '1' to include values
--       5  bytes of JSON text after which to stop
--
-- Returns {<key to start the next page after, '' if none follows>, <revision of the namespace's last change>, then for
-- each key: name, µs since the epoch, revision; value, created, expires, and agent, which are nil unless values are
-- included}.

local index, entry = KEYS[1], KEYS[2]
local prefix, after, limit, values, max_bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1e6 + time[2]

local from = after ~= '' and '(' .. after or '[' .. prefix
local keys = redis.call('ZRANGE', index, from, '+', 'BYLEX', 'LIMIT', 0, limit + 1)
local answer, last, bytes = {'', redis.call('GET', KEYS[3]) or '0'}, '', 0
for n, key in ipairs(keys) do
  if string.sub(key, 1, #prefix) ~= prefix then break end
  if n > limit or bytes > max_bytes then
    answer[1] = last
    break
  end
  last = key
  local row = redis.call('HMGET', entry .. key, 'ts', 'value_revision', 'expires')
  if row[2] and not (row[3] and tonumber(row[3]) <= now) then
    for _, item in ipairs({key, row[1], row[2]}) do answer[#answer + 1] = item end
    local more = {false, false, false, false}
    if values then more = redis.call('HMGET', entry .. key, 'value', 'created', 'expires', 'agent') end
    for _, item in ipairs(more) do answer[#answer + 1] = item end
    bytes = bytes + #(more[1] or '')
  end
end
return answer
