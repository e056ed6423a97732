-- Finds out whether Redis takes writes, and whether it may evict keys. Changes nothing.
--
-- KEYS  1  a key that does not exist
--
-- Returns {<the error of a write, '' for none>, <maxmemory-policy, '' if Redis does not say>}.

-- Needs memory, as far as Redis knows, and changes nothing.
local written = redis.pcall('SETRANGE', KEYS[1], 0, '')
local info = redis.pcall('INFO', 'memory')
return {
  type(written) == 'table' and written.err or '',
  type(info) == 'string' and string.match(info, 'maxmemory_policy:(%S+)') or '',
}
