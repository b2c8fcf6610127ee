-- Take incidents that are due, over all shards of this primary, for a lease.
-- lane, up to when (ms; 0 is now), lease ms, per shard at most, in all at most,
-- first shard, number of shards, mail an incident at most, mail in all at most, for how
-- many that are not overdue it reaches ahead
local lane, limit, lease = ARGV[1], whole(ARGV[2]), whole(ARGV[3])
local shard_max, left = whole(ARGV[4]), whole(ARGV[5])
local first, shards = whole(ARGV[6]), whole(ARGV[7])
local mail_max, mail_left, early_max = whole(ARGV[8]), whole(ARGV[9]), whole(ARGV[10])
local other = lane == 'due' and 'mail' or 'due'
local at = now()
limit = math.max(at, limit)
local found = {at}

local function due_by(time)
  local count = 0
  for shard = 0, shards - 1 do
    count = count + redis.call('ZCOUNT', prefix_of(shard) .. lane, '-inf', time)
  end
  return count
end

local function first_after(time, latest)
  local first = latest
  for shard = 0, shards - 1 do
    local head = redis.call('ZRANGEBYSCORE', prefix_of(shard) .. lane, '(' .. time, latest,
      'WITHSCORES', 'LIMIT', 0, 1)
    if head[2] then first = math.min(first, tonumber(head[2])) end
  end
  return first
end

-- What is more than it may take is claimed less far ahead: whoever holds the next
-- quarter of a second of some shards would be late in all others. But as far as the next
-- one that is due: its bucket has no other wake-up than this one.
if limit > at then
  local overdue, due = due_by(at), due_by(limit)
  local early = math.max(0, math.min(early_max, left - overdue))
  if due - overdue > early then
    local nearer = at + math.floor((limit - at) * early / (due - overdue))
    limit = math.max(nearer, early > 0 and first_after(at, limit) or at)
  end
end

local function take(prefix, id)
  local fields = redis.call('HMGET', prefix .. 'i:' .. id, 'v', 's', 'd', 'n', 'f', 'p', 'af')
  local mail = unread(prefix .. 'm:' .. id, tonumber(fields[6] or 0),
    math.min(mail_max, mail_left))
  if not fields[1] and #mail == 0 then
    redis.call('ZREM', prefix .. 'due', id)
    redis.call('ZREM', prefix .. 'mail', id)
    return
  end
  redis.call('ZADD', prefix .. lane, 'XX', at + lease, id)
  -- What the other lane holds for now is decided with it: nobody else needs it.
  local score = redis.call('ZSCORE', prefix .. other, id)
  if score and tonumber(score) <= at then
    redis.call('ZADD', prefix .. other, 'XX', at + lease, id)
  end
  found[#found + 1] = {id, fields, mail}
  left = left - 1
  mail_left = mail_left - #mail
end

for offset = 0, shards - 1 do
  local prefix = prefix_of((first + offset) % shards)
  local ids = redis.call('ZRANGEBYSCORE', prefix .. lane, '-inf', limit,
    'LIMIT', 0, math.min(shard_max, left))
  for _, id in ipairs(ids) do
    if mail_left <= 0 then return found end
    take(prefix, id)
  end
  if left <= 0 then return found end
end
return found
