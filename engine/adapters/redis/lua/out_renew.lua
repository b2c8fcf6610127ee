-- Lengthen the lease of a send that is under way.
-- prefix, entry, attempt, lease ms
local prefix, entry, attempt, lease = ARGV[1], ARGV[2], ARGV[3], whole(ARGV[4])
local latest, _, mark, tray = attempt_of(prefix, entry)
if latest ~= attempt or mark == 'r' then return 0 end
redis.call('ZADD', prefix .. 'out:' .. tray, 'XX', now() + lease, entry)
return 1
