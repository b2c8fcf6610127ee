-- Take notifications of one channel that are due, for a lease. What a timer caused
-- and what an opening caused get half of the slots each, then what is left.
-- channel, slots, cause whose turn it is, lease ms, first shard, number of shards
local channel, slots, cause = ARGV[1], whole(ARGV[2]), ARGV[3]
local lease, first, shards = whole(ARGV[4]), whole(ARGV[5]), whole(ARGV[6])
local other = cause == 'timer' and 'opening' or 'timer'
local at = now()
local found = {}

local function take(prefix, zset, entry)
  local attempt, begun, is_withdrawn = attempt_of(prefix, entry)
  local body = redis.call('HGET', prefix .. 'ob', entry)
  local incident = prefix .. 'i:' .. string.match(entry, '^[^|]*')
  if not attempt or not body or is_withdrawn or redis.call('EXISTS', incident) == 0 then
    redis.call('ZREM', zset, entry)
    drop_entry(prefix, channel, entry)
    return
  end
  attempt = attempt + 1
  redis.call('HSET', prefix .. 'oa', entry, attempt .. ':' .. begun)
  redis.call('ZADD', zset, 'XX', at + lease, entry)
  found[#found + 1] = {entry, attempt, body}
end

local function take_caused_by(cause, most)
  for offset = 0, shards - 1 do
    local prefix = prefix_of((first + offset) % shards)
    local zset = prefix .. 'out:' .. channel .. ':' .. cause
    repeat
      local left = most - #found
      if left <= 0 then return end
      local entries = redis.call('ZRANGEBYSCORE', zset, '-inf', at, 'LIMIT', 0, left)
      for _, entry in ipairs(entries) do take(prefix, zset, entry) end
    until #entries == 0
  end
end

take_caused_by(cause, math.ceil(slots / 2))
take_caused_by(other, slots)
take_caused_by(cause, slots)
return {at, found}
