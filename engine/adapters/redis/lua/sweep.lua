-- Repair what arq may have dropped: it arms and kicks, it never drains.
-- number of shards, dues read a shard at most, overdue (ms), old wake job (ms),
-- then the outbox lists
local shards, dues_max = tonumber(ARGV[1]), tonumber(ARGV[2])
local overdue, old = tonumber(ARGV[3]), tonumber(ARGV[4])
local at = now()
local buckets, armed, kicked = {}, 0, 0
local function watch(zset)
  local head = redis.call('ZRANGEBYSCORE', zset, '-inf', at - overdue, 'LIMIT', 0, 1)
  if #head > 0 then
    kick()
    kicked = kicked + 1
  end
  local soon = redis.call('ZRANGEBYSCORE', zset, at, at + HORIZON, 'WITHSCORES',
    'LIMIT', 0, dues_max)
  for item = 2, #soon, 2 do
    local bucket = math.floor(soon[item] / BUCKET)
    if not buckets[bucket] then
      buckets[bucket] = true
      if redis.call('EXISTS', JOB_PREFIX .. ID_PREFIX .. bucket) == 0
        or not redis.call('ZSCORE', QUEUE, ID_PREFIX .. bucket) then
        arm(tonumber(soon[item]), at)
        armed = armed + 1
      end
    end
  end
end
for shard = 0, shards - 1 do
  local prefix = '{rung:' .. shard .. '}:'
  watch(prefix .. 'due')
  watch(prefix .. 'mail')
  for item = 5, #ARGV do watch(prefix .. 'out:' .. ARGV[item]) end
end
local gone = redis.call('ZRANGEBYSCORE', QUEUE, '-inf', at - old, 'LIMIT', 0, 1000)
local deleted = 0
for _, id in ipairs(gone) do
  if string.sub(id, 1, #ID_PREFIX) == ID_PREFIX then
    redis.call('ZREM', QUEUE, id)
    redis.call('DEL', JOB_PREFIX .. id)
    deleted = deleted + 1
  end
end
return {armed, kicked, deleted}
