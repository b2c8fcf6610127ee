-- Take an idempotency key for a run, unless it is used already: then tell for what.
-- key, the run, seconds to hold it
local key, run, hold = ARGV[1], ARGV[2], whole(ARGV[3])
local known = redis.call('GET', key)
if known and known ~= run then return known end
redis.call('SET', key, run, 'EX', hold)
return false
