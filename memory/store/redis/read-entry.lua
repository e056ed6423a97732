-- Reads the value of a key. It is a script so that the primary replies, whose clock decides when a value has expired.
--
-- KEYS  1  entry of the key
--
-- Returns {<JSON text>, <µs since the epoch>, <revision>, <created>, <expires>, <agent>}, with nil for what there is not.
-- The text is nil if there is no value.

local row = redis.call('HMGET', KEYS[1], 'value', 'ts', 'value_revision', 'created', 'expires', 'agent')
if row[5] then
  local time = redis.call('TIME')
  if tonumber(row[5]) <= time[1] * 1e6 + time[2] then return {false} end
end
return row
