-- Tell for how long (ms) the head of each lane has been overdue; 0: it is not.
-- number of shards, then the names of the lanes
local shards, at = whole(ARGV[1]), now()
local overdue = {}
for item = 2, #ARGV do
  overdue[item - 1] = 0
  for shard = 0, shards - 1 do
    local head = redis.call('ZRANGE', prefix_of(shard) .. ARGV[item], 0, 0, 'WITHSCORES')
    if head[2] then overdue[item - 1] = math.max(overdue[item - 1], at - tonumber(head[2])) end
  end
end
return overdue
