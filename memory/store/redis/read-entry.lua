-- Reads the value of a key. It is a script so that the primary replies, whose clock decides when a value has expired.
--
-- KEYS  1  entry of the key
--
-- Returns {<JSON text>, <µs since the epoch>, <revision>}, all nil if there is no value.

local row = redis.call('HMGET', KEYS[1], 'value', 'ts', 'value_revision', 'expires')
if row[4] then
  local time = redis.call('TIME')
  if tonumber(row[4]) <= time[1] * 1e6 + time[2] then return {false, false, false} end
end
return {row[1], row[2], row[3]}
