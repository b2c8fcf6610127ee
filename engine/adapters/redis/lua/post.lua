-- Put an answer into an incident's mailbox; one for an incident that is gone is dropped.
-- prefix, id, body
local prefix, id, body = unpack(ARGV, 1, 3)
if redis.call('EXISTS', prefix .. 'i:' .. id) == 0 then return 0 end
post(prefix, id, body, now())
return 1
