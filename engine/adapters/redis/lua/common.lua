-- Stands before every script. Scripts decide nothing: they compare, write and count.
-- What is wrong with their arguments they find out before the first write.
local function whole(text)
  local number = tonumber(text)
  if not number or number % 1 ~= 0 then error('not a whole number: ' .. tostring(text)) end
  return number
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function prefix_of(shard)
  return string.format(SHARD, shard)
end

-- Something is due now: at most one token waits, and one worker takes it.
local function kick()
  if redis.call('EXISTS', KICK) == 0 then redis.call('LPUSH', KICK, '1') end
end

local function wake(bucket)
  local id = ID_PREFIX .. bucket
  redis.call('SET', JOB_PREFIX .. id, PAYLOAD, 'NX', 'PX', KEPT)
  redis.call('ZADD', QUEUE, 'NX', bucket * BUCKET - (AHEAD - BUCKET), id)
end

-- Have a worker woken shortly before this time, or just after it. What is due later
-- than the horizon is armed by the sweep. A bucket whose job may be running already
-- gets no other: arq would swallow it. Then a kick comes early enough, and where it
-- might come too early, since a worker's clock lags, the next bucket comes as well.
local function arm(due, at)
  if due > at + HORIZON then return end
  local bucket = math.floor(due / BUCKET)
  if bucket * BUCKET - (AHEAD - BUCKET) > at then wake(bucket) return end
  kick()
  if due > at + AHEAD - BUCKET then wake(bucket + 1) end
end

-- The list of an incident's history after what is packed of it, so many entries. A new
-- one for each packing: the one before is of no use from the same write on.
local function history_of(prefix, id, packed)
  local name = prefix .. 'h:' .. id
  if not packed then return name end
  return name .. ':' .. packed
end

-- Put one more item into a mailbox.
local function post(prefix, id, body, at)
  local number = redis.call('HINCRBY', prefix .. 'i:' .. id, 'q', 1)
  redis.call('RPUSH', prefix .. 'm:' .. id, number .. ' ' .. at .. ' ' .. body)
  redis.call('ZADD', prefix .. 'mail', 'NX', at, id)
  kick()
end

-- Whether a piece of mail, if there is one, is at or before the position read up to.
local function is_read(item, read)
  local number = item and tonumber(string.match(item, '^%d+') or '')
  if not number then return false end
  return number <= read, number
end

-- Trim a mailbox to the position read up to.
local function forget(mailbox, read)
  local old, number = is_read(redis.call('LINDEX', mailbox, 0), read)
  if old then redis.call('LTRIM', mailbox, read - number + 1, -1) end
end

-- The unread mail, oldest first. A commit that was cut off before its last write has
-- left mail here that it had read.
local function unread(mailbox, read, most)
  local mail = redis.call('LRANGE', mailbox, 0, most - 1)
  if not is_read(mail[1], read) then return mail end
  forget(mailbox, read)
  return redis.call('LRANGE', mailbox, 0, most - 1)
end

-- The outbox lies in trays, one for each channel, provider and cause. `trays` has each of
-- them by a time that is not later than its first entry is due: written before an entry,
-- raised only by who has looked at the first one.
local function announce(prefix, tray, due)
  redis.call('ZADD', prefix .. 'trays', 'LT', due, tray)
end

local function tidy(prefix, tray)
  local first = redis.call('ZRANGE', prefix .. 'out:' .. tray, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', prefix .. 'trays', first[2], tray)
  else
    redis.call('ZREM', prefix .. 'trays', tray)
  end
end

-- An outbox entry's number of tries, the last of them that has begun, its mark and its
-- tray. The mark: 'w' is withdrawn, 'r' is at rest until it is tried again. None if
-- there is no such entry; one that lies in a tray always has this.
local function attempt_of(prefix, entry)
  local held = redis.call('HGET', prefix .. 'oa', entry)
  if not held then return nil end
  return string.match(held, '^(%d+):(%d+):([rw]?):(.*)$')
end

local function set_attempt(prefix, entry, attempt, begun, mark, tray)
  redis.call('HSET', prefix .. 'oa', entry,
    attempt .. ':' .. begun .. ':' .. mark .. ':' .. tray)
end

-- What tells the tray goes last, so that one cut off here can be dropped again.
local function drop_entry(prefix, entry, tray)
  if tray then
    redis.call('ZREM', prefix .. 'out:' .. tray, entry)
    if redis.call('EXISTS', prefix .. 'out:' .. tray) == 0 then
      redis.call('ZREM', prefix .. 'trays', tray)
    end
  end
  redis.call('HDEL', prefix .. 'ob', entry)
  redis.call('HDEL', prefix .. 'oa', entry)
end
