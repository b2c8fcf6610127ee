-- Lengthen the lease of a send that is under way.
-- prefix, entry, channel, attempt, lease ms
local prefix, entry, channel, attempt = unpack(ARGV, 1, 4)
local lease = whole(ARGV[5])
if attempt_of(prefix, entry) ~= attempt then return 0 end
local until_when = now() + lease
for _, cause in ipairs({'timer', 'opening'}) do
  redis.call('ZADD', prefix .. 'out:' .. channel .. ':' .. cause, 'XX', until_when, entry)
end
return 1
