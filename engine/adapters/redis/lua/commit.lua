-- Store one decided incident in one piece, if nobody stored it since.
-- prefix, id, revision expected ('' opens), revision new, not before (ms) or '',
-- closes (1 or 0), hash of the key, id as number, state, summary, next due or '',
-- mail read up to, repeats, snapshot hash, snapshot body or '', seconds to remember
-- an occurrence, then five lists, each after its length: history, sends (entry,
-- channel list, due, body), withdrawals (entry, channel), alerts (fingerprint,
-- record), occurrences
local prefix, id, expected, revision, not_before, closes, key = unpack(ARGV, 1, 7)
local number, state, summary, due = unpack(ARGV, 8, 11)
local read, repeats, snapshot, body, remember = unpack(ARGV, 12, 16)
local incident, mailbox = prefix .. 'i:' .. id, prefix .. 'm:' .. id
local at = now()
local stored = redis.call('HMGET', incident, 'v', 'q', 'p', 'n')
local opens = expected == ''

if opens then
  if stored[1] then return 'lost' end
  if redis.call('GET', prefix .. 'k:' .. key) ~= id then return 'key_taken' end
elseif stored[1] ~= expected then
  return 'lost'
end
if not_before ~= '' and at < tonumber(not_before) then return 'early' end
read = math.max(tonumber(read), tonumber(stored[3] or 0))
if closes == '1' and tonumber(stored[2] or 0) > read then return 'more_mail' end
if opens and body == '' and redis.call('HEXISTS', prefix .. 'snap', snapshot) == 0 then
  return 'need'
end

local position = 17
local function list()
  local count = tonumber(ARGV[position])
  position = position + 1
  return count
end
local function take()
  position = position + 1
  return ARGV[position - 1]
end

local wakes = {}
local count = list()
local events = {}
for item = 1, count do events[item] = take() end
for _ = 1, list() do
  local entry, channel, score, send = take(), take(), take(), take()
  redis.call('ZADD', prefix .. 'out:' .. channel, score, entry)
  redis.call('HSET', prefix .. 'ob', entry, send)
  redis.call('HSET', prefix .. 'oa', entry, '0:')
  wakes[#wakes + 1] = tonumber(score)
end
for _ = 1, list() do
  local entry, channel = take(), take()
  local attempt = redis.call('HGET', prefix .. 'oa', entry)
  if attempt and string.sub(attempt, -1) == 'b' then
    -- It has begun: the outcome counts, but it is never tried again.
    redis.call('HSET', prefix .. 'oa', entry, string.sub(attempt, 1, -2) .. 'w')
  elseif attempt and string.sub(attempt, -1) ~= 'w' then
    redis.call('ZREM', prefix .. 'out:' .. channel .. ':timer', entry)
    redis.call('ZREM', prefix .. 'out:' .. channel .. ':opening', entry)
    redis.call('HDEL', prefix .. 'ob', entry)
    redis.call('HDEL', prefix .. 'oa', entry)
  end
end

-- By number: what a run that was cut off has left here is written over.
local known = tonumber(stored[4] or 0)
local history = prefix .. 'h:' .. id
local length = redis.call('LLEN', history)
for item = 1, count do
  local index = known + item - 1
  if index < length then
    redis.call('LSET', history, index, events[item])
  else
    redis.call('RPUSH', history, events[item])
  end
end
if length > known + count then redis.call('LTRIM', history, 0, known + count - 1) end

for _ = 1, list() do
  local fingerprint, record = take(), take()
  redis.call('HSET', prefix .. 'a:' .. id, fingerprint, record)
end
for _ = 1, list() do
  redis.call('SET', prefix .. 'o:' .. take(), '1', 'EX', remember)
end
if opens then
  if body ~= '' then redis.call('HSETNX', prefix .. 'snap', snapshot, body) end
  redis.call('HINCRBY', prefix .. 'snapn', snapshot, 1)
  redis.call('ZADD', prefix .. 'open', number, id)
end
if closes == '1' then
  redis.call('ZREM', prefix .. 'open', id)
  redis.call('ZADD', prefix .. 'closed', number, id)
  if redis.call('GET', prefix .. 'k:' .. key) == id then
    redis.call('DEL', prefix .. 'k:' .. key)
  end
end
if due == '' then
  redis.call('ZREM', prefix .. 'due', id)
else
  redis.call('ZADD', prefix .. 'due', due, id)
  wakes[#wakes + 1] = tonumber(due)
end
redis.call('HSET', incident, 'v', revision, 's', state, 'd', due, 'y', summary,
  'n', known + count, 'p', read, 'f', 0)
if repeats ~= '0' then redis.call('HINCRBY', incident, 'r', repeats) end

local head = redis.call('LINDEX', mailbox, 0)
if head then
  local behind = read - tonumber(string.match(head, '^%d+')) + 1
  if behind > 0 then redis.call('LTRIM', mailbox, behind, -1) end
end
if redis.call('EXISTS', mailbox) == 1 then
  redis.call('ZADD', prefix .. 'mail', at, id)
  kick()
else
  redis.call('ZREM', prefix .. 'mail', id)
end
for _, wake in ipairs(wakes) do arm(wake, at) end
return 'done'
