-- Take incidents that are due, over all shards of this primary, for a lease.
-- lane, up to when (ms) or '', lease ms, per shard at most, in all at most,
-- first shard, number of shards, mail an incident at most, mail in all at most
local lane, lease = ARGV[1], tonumber(ARGV[3])
local shard_max, left = tonumber(ARGV[4]), tonumber(ARGV[5])
local first, shards = tonumber(ARGV[6]), tonumber(ARGV[7])
local mail_max, mail_left = tonumber(ARGV[8]), tonumber(ARGV[9])
local at = now()
local limit = at
if ARGV[2] ~= '' then limit = math.max(at, tonumber(ARGV[2])) end
local other = lane == 'due' and 'mail' or 'due'
local found = {at}
for offset = 0, shards - 1 do
  local shard = (first + offset) % shards
  local prefix = '{rung:' .. shard .. '}:'
  local ids = redis.call('ZRANGEBYSCORE', prefix .. lane, '-inf', limit,
    'LIMIT', 0, math.min(shard_max, left))
  for _, id in ipairs(ids) do
    if mail_left <= 0 then return found end
    redis.call('ZADD', prefix .. lane, 'XX', at + lease, id)
    -- What the other lane holds for now is decided with it: nobody else needs it.
    local score = redis.call('ZSCORE', prefix .. other, id)
    if score and tonumber(score) <= at then
      redis.call('ZADD', prefix .. other, 'XX', at + lease, id)
    end
    local fields = redis.call('HMGET', prefix .. 'i:' .. id, 'v', 's', 'd', 'n', 'f')
    local mail = redis.call('LRANGE', prefix .. 'm:' .. id, 0, mail_max - 1)
    found[#found + 1] = {id, fields, mail}
    left = left - 1
    mail_left = mail_left - #mail
  end
  if left <= 0 then return found end
end
return found
