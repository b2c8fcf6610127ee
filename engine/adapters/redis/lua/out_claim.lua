-- Take notifications of one channel that are due, for a lease. What a timer caused
-- and what an opening caused get half of the slots each, then what is left.
-- channel, slots, lease ms, first shard, number of shards
local channel, slots, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local first, shards = tonumber(ARGV[4]), tonumber(ARGV[5])
local at = now()
local found = {}
local function take(cause, most)
  for offset = 0, shards - 1 do
    if most <= 0 then return end
    local prefix = '{rung:' .. ((first + offset) % shards) .. '}:'
    local zset = prefix .. 'out:' .. channel .. ':' .. cause
    local entries = redis.call('ZRANGEBYSCORE', zset, '-inf', at, 'LIMIT', 0, most)
    for _, entry in ipairs(entries) do
      local attempt = redis.call('HGET', prefix .. 'oa', entry) or '0:'
      local body = redis.call('HGET', prefix .. 'ob', entry)
      if not body or string.sub(attempt, -1) == 'w' then
        redis.call('ZREM', zset, entry)
        redis.call('HDEL', prefix .. 'ob', entry)
        redis.call('HDEL', prefix .. 'oa', entry)
      else
        local number = tonumber(string.match(attempt, '^%d+')) + 1
        redis.call('HSET', prefix .. 'oa', entry, number .. ':')
        redis.call('ZADD', zset, 'XX', at + lease, entry)
        found[#found + 1] = {entry, number, body}
        most = most - 1
      end
    end
  end
end
take('timer', math.ceil(slots / 2))
take('opening', slots - #found)
take('timer', slots - #found)
return {at, found}
