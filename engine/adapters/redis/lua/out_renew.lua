-- Lengthen the lease of a send that is under way.
-- prefix, entry, channel, attempt, lease ms
local prefix, entry, channel, attempt, lease = unpack(ARGV, 1, 5)
local held = redis.call('HGET', prefix .. 'oa', entry)
if not held or string.match(held, '^%d+') ~= attempt then return 0 end
for _, cause in ipairs({'timer', 'opening'}) do
  redis.call('ZADD', prefix .. 'out:' .. channel .. ':' .. cause, 'XX', now() + lease, entry)
end
return 1
