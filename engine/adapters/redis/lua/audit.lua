-- Put right what is wrong with the lanes and the index of some incidents of a shard.
-- prefix, from where on in the index of open incidents ('' for the ids that follow), at
-- most so many, how far off a lease may end (ms), ids
local prefix, from = ARGV[1], ARGV[2]
local most, lease_max = whole(ARGV[3]), whole(ARGV[4])
local open, at = prefix .. 'open', now()
local mail, due, index, missing = 0, 0, 0, {}

-- Whether an entry of a lane is due at its time, or comes to it by itself: it is due
-- already, or somebody has a lease on it or has put it aside.
local function is_in_lane(lane, id, time)
  local score = tonumber(redis.call('ZSCORE', prefix .. lane, id) or '')
  return score and (score == time or score <= at + lease_max)
end

local function look_at(id)
  local fields = redis.call('HMGET', prefix .. 'i:' .. id, 'v', 'q', 'p', 'd', 'sn')
  if not fields[1] and not fields[2] then
    index = index + redis.call('ZREM', open, id)
    return
  end
  if tonumber(fields[2] or 0) > tonumber(fields[3] or 0) and not is_in_lane('mail', id) then
    redis.call('ZADD', prefix .. 'mail', at, id)
    kick()
    mail = mail + 1
  end
  local time = tonumber(fields[4] or '')
  if time and not is_in_lane('due', id, time) then
    redis.call('ZADD', prefix .. 'due', time, id)
    arm(time, at)
    due = due + 1
  end
  if from == '' then return end
  for snapshot in string.gmatch(fields[5] or '', '%S+') do
    if redis.call('HEXISTS', prefix .. 'snap', snapshot) == 0 then
      missing[#missing + 1] = {id, snapshot}
    end
  end
end

local last = from
if from == '' then
  for item = 5, #ARGV do look_at(ARGV[item]) end
else
  local found = redis.call('ZRANGEBYSCORE', open, from, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for item = 1, #found, 2 do look_at(found[item]) end
  if #found > 0 then last = '(' .. string.format('%.0f', tonumber(found[#found])) end
end
local left = from == '' and 0 or redis.call('ZCOUNT', open, last, '+inf')
return {mail, due, index, missing, last, left, redis.call('ZCARD', open)}
