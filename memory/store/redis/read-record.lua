-- Reads an idempotency record. It is a script so that the primary replies: a replica may not have the record yet.
--
-- KEYS  1  idempotency record
--       2  texts: a hash from the revision of a change in the log to the JSON text that it set
--       3  entry of the key of the write's first operation
-- ARGV  1  '1' if the text that the first operation wrote is needed, too
--
-- Returns {<the record, nil if there is none>, <the text, nil if it is not needed or no longer stored>}.

local record = redis.call('GET', KEYS[1])
if not record or ARGV[1] ~= '1' then return {record} end
local id = string.match(record, '^%S+ (%d+)')
local text = redis.call('HGET', KEYS[2], id)
if not text then
  local current = redis.call('HMGET', KEYS[3], 'value_revision', 'value')
  text = current[1] == id and current[2]
end
return {record, text}
