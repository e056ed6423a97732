-- Reads changes of the log by their revisions.
--
-- KEYS  1  log
--       2  texts
-- ARGV  1  bytes of JSON text after which to stop
--       2… revisions
--
-- Returns for each of the first revisions, and for at least one: revision, previous, key, event, action, µs since the
-- epoch, JSON text, created, expires, agent, with nil for what there is not. All ten are nil for a change that the log no
-- longer has.

local log, texts, max_bytes = KEYS[1], KEYS[2], tonumber(ARGV[1])

local reply, bytes = {}, 0
for n = 2, #ARGV do
  if bytes > max_bytes then break end
  local id = ARGV[n]
  local change = redis.call('XRANGE', log, id .. '-0', id .. '-0')[1]
  local fields, text = {}, false
  if change then
    for at = 1, #change[2], 2 do fields[change[2][at]] = change[2][at + 1] end
    text = redis.call('HGET', texts, id)
  end
  for _, item in ipairs({
    change and id or false, fields.previous or false, fields.key or false, fields.event or false, fields.action or false,
    fields.ts or false, text, fields.created or false, fields.expires or false, fields.agent or false,
  }) do reply[#reply + 1] = item end
  bytes = bytes + #(text or '')
end
return reply
