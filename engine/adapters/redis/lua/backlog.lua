-- Count the timers that are due, and those that have been for longer.
-- number of shards, longer than this (ms)
local shards, longer, at = whole(ARGV[1]), whole(ARGV[2]), now()
local due, overdue = 0, 0
for shard = 0, shards - 1 do
  local lane = prefix_of(shard) .. 'due'
  due = due + redis.call('ZCOUNT', lane, '-inf', string.format('%.0f', at))
  overdue = overdue + redis.call('ZCOUNT', lane, '-inf', string.format('(%.0f', at - longer))
end
return {due, overdue}
