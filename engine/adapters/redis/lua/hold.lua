-- Take an office, or keep it, for a while.
-- key, owner, how long (ms)
local key, owner, span = ARGV[1], ARGV[2], whole(ARGV[3])
local holder = redis.call('GET', key)
if holder and holder ~= owner then return 0 end
redis.call('SET', key, owner, 'PX', span)
return 1
