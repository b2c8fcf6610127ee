-- Tell whose histories have been waiting to be packed for so long, over all shards.
-- number of shards, how long (ms), at most so many
local shards, span, most = whole(ARGV[1]), whole(ARGV[2]), whole(ARGV[3])
local at, found = now(), {}
for shard = 0, shards - 1 do
  local ids = redis.call('ZRANGEBYSCORE', prefix_of(shard) .. 'pack', '-inf', at - span,
    'LIMIT', 0, most - #found)
  for _, id in ipairs(ids) do found[#found + 1] = id end
  if #found >= most then return found end
end
return found
