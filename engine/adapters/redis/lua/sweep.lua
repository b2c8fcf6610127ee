-- Repair what arq may have dropped: it arms and kicks, it never drains.
-- number of shards, overdue (ms), old wake job (ms), wake jobs deleted at most
local shards, overdue, old, deleted_max = whole(ARGV[1]), whole(ARGV[2]), whole(ARGV[3]), whole(ARGV[4])
local at = now()
local seen, armed, kicked, deleted = {}, 0, 0, 0

local function has_wake(bucket)
  local id = ID_PREFIX .. bucket
  return redis.call('EXISTS', JOB_PREFIX .. id) == 1 and redis.call('ZSCORE', QUEUE, id)
end

local function look_at(due)
  local bucket = math.floor(due / BUCKET)
  if not seen[bucket] and not has_wake(bucket) then
    arm(due, at)
    armed = armed + 1
  end
  seen[bucket] = true
  repeat bucket = bucket + 1 until not seen[bucket]
  return bucket * BUCKET
end

local function watch(zset)
  if redis.call('ZCOUNT', zset, '-inf', at - overdue - 1) > 0 then
    kick()
    kicked = kicked + 1
  end
  -- From one bucket that holds something to the next: what else it holds is no matter.
  local from = at
  repeat
    local head = redis.call('ZRANGEBYSCORE', zset, from, at + HORIZON, 'WITHSCORES',
      'LIMIT', 0, 1)
    if head[2] then from = look_at(tonumber(head[2])) end
  until not head[2]
end

-- Every tray that may hold something, whatever its channel; one that is empty goes.
local function watch_trays(prefix)
  local trays = redis.call('ZRANGEBYSCORE', prefix .. 'trays', '-inf', at + HORIZON,
    'WITHSCORES')
  for item = 1, #trays, 2 do
    watch(prefix .. 'out:' .. trays[item])
    if tonumber(trays[item + 1]) < at - overdue then tidy(prefix, trays[item]) end
  end
end

for shard = 0, shards - 1 do
  local prefix = prefix_of(shard)
  watch(prefix .. 'due')
  watch(prefix .. 'mail')
  watch_trays(prefix)
end
local gone = redis.call('ZRANGEBYSCORE', QUEUE, '-inf', at - old - 1, 'LIMIT', 0, deleted_max)
for _, id in ipairs(gone) do
  if string.sub(id, 1, #ID_PREFIX) == ID_PREFIX then
    redis.call('ZREM', QUEUE, id)
    redis.call('DEL', JOB_PREFIX .. id)
    deleted = deleted + 1
  end
end
return {armed, kicked, deleted}
