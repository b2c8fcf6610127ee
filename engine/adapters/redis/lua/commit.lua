-- Store one decided incident in one piece, if nobody stored it since.
-- prefix, id, revision expected ('' opens), revision new, not before (ms; 0 any time),
-- hash of the key, index it moves to ('', open, closed), id as number, state, summary,
-- next due or '', mail read up to, repeats, snapshot hash if it is another than before,
-- its body or '', whether somebody closes it while it fires (1 or 0), seconds to
-- remember an occurrence, index of its team, whether it is at rest (1 or 0), then five
-- lists, each after its length:
-- history, sends (entry, tray, due, body), withdrawals (entry), alerts (fingerprint,
-- record), occurrences, mail that opens the next incident of the key, ids for that one,
-- of which the first free one is taken
local prefix, id, expected, revision, not_before, key, index = unpack(ARGV, 1, 7)
local number, state, summary, due = unpack(ARGV, 8, 11)
local read, repeats, snapshot, body, leaves, remember, team, rests = unpack(ARGV, 12, 19)
local incident, mailbox = prefix .. 'i:' .. id, prefix .. 'm:' .. id
not_before, read, repeats = whole(not_before), whole(read), whole(repeats)
whole(number)
whole(remember)
if due ~= '' then whole(due) end

local position = 20
local function list(width)
  local length = whole(ARGV[position]) * width
  local items = {}
  for item = 1, length do items[item] = ARGV[position + item] end
  position = position + length + 1
  return items
end
local events, sends, withdrawals = list(1), list(4), list(1)
local alerts, occurrences = list(2), list(1)
local follow_ups, candidates = list(1), list(1)
if position ~= #ARGV + 1 then error('the lists do not add up') end
for item = 3, #sends, 4 do whole(sends[item]) end

local at = now()
local stored = redis.call('HMGET', incident, 'v', 'q', 'p', 'n', 'sn', 'zn', 'f')
local opens, closes = expected == '', index == 'closed'
local sent, known = tonumber(stored[2] or 0), tonumber(stored[4] or 0)
read = math.max(read, tonumber(stored[3] or 0))
if opens then
  if stored[1] then return 'lost' end
  -- One that opens and closes at once has let go of its key, if it was cut off then.
  if redis.call('GET', prefix .. 'k:' .. key) ~= id
    and not redis.call('ZSCORE', prefix .. 'closed', id) then return 'key_taken' end
elseif stored[1] ~= expected then
  return 'lost'
end
-- One that is opened again takes its key back, if no open incident has it.
local reopens = not opens and index == 'open'
if reopens then
  local holder = redis.call('GET', prefix .. 'k:' .. key)
  if holder and holder ~= id then return 'key_taken' end
end
if at < not_before then return 'early' end
if closes and sent > read then return 'more_mail' end
-- Who has the key after this: another incident already, or the next one.
local next_id = redis.call('GET', prefix .. 'k:' .. key)
if next_id == id then next_id = nil end
if #follow_ups > 0 and not next_id then
  for _, candidate in ipairs(candidates) do
    if not next_id and redis.call('EXISTS', prefix .. 'i:' .. candidate) == 0 then
      next_id = candidate
    end
  end
  if not next_id then return 'lost' end
end
if snapshot ~= '' and body == ''
  and redis.call('HEXISTS', prefix .. 'snap', snapshot) == 0 then return 'need' end
-- Looked at before the first write: what is damaged must not be found out after sends.
local history, unpacked = history_of(prefix, id, stored[6]), known - (stored[6] or 0)
local length = redis.call('LLEN', history)
if #alerts > 0 then redis.call('HLEN', prefix .. 'a:' .. id) end

-- Count an incident among those that have named a snapshot, once each. The mark says
-- that it is counted, in the same write as the count: whoever runs this again after it
-- was cut off finds the one with the other.
local function count_up(named)
  local counts, mark = prefix .. 'snapn', snapshot .. ' ' .. id
  if not string.find(' ' .. named .. ' ', ' ' .. snapshot .. ' ', 1, true) then
    if redis.call('HEXISTS', counts, mark) == 0 then
      local count = tonumber(redis.call('HGET', counts, snapshot) or 0)
      redis.call('HSET', counts, snapshot, count + 1, mark, 1)
    end
    redis.call('HSET', incident, 'sn', named == '' and snapshot or named .. ' ' .. snapshot)
  end
  redis.call('HDEL', counts, mark)
end

-- From here on it writes, in an order in which running it again after it was cut off
-- is right.
if snapshot ~= '' then
  if body ~= '' then redis.call('HSETNX', prefix .. 'snap', snapshot, body) end
  count_up(stored[5] or '')
end
for item = 1, #sends, 4 do
  local entry, tray, score = sends[item], sends[item + 1], sends[item + 2]
  local attempt, _, _, held = attempt_of(prefix, entry)
  -- A run that was cut off may have left it in another tray; an entry never moves.
  tray = held or tray
  announce(prefix, tray, score)
  redis.call('HSET', prefix .. 'ob', entry, sends[item + 3])
  if not attempt then set_attempt(prefix, entry, 0, 0, '', tray) end
  redis.call('ZADD', prefix .. 'out:' .. tray, 'NX', score, entry)
end
for _, entry in ipairs(withdrawals) do
  local attempt, begun, _, tray = attempt_of(prefix, entry)
  if attempt and begun ~= '0' then
    -- It may have left: the outcome counts, but it is never tried again.
    set_attempt(prefix, entry, attempt, begun, 'w', tray)
  else
    drop_entry(prefix, entry, tray)
  end
end

-- By number, of what is not packed: what a run that was cut off has left here is written
-- over.
for item = 1, #events do
  if unpacked + item <= length then
    redis.call('LSET', history, unpacked + item - 1, events[item])
  else
    redis.call('RPUSH', history, events[item])
  end
end
if unpacked + #events == 0 then
  redis.call('DEL', history)
elseif length > unpacked + #events then
  redis.call('LTRIM', history, 0, unpacked + #events - 1)
end
for item = 1, #alerts, 2 do
  redis.call('HSET', prefix .. 'a:' .. id, alerts[item], alerts[item + 1])
end
for _, occurrence in ipairs(occurrences) do
  redis.call('SET', prefix .. 'o:' .. occurrence, '1', 'EX', remember)
end

if index ~= '' then
  redis.call('ZADD', prefix .. index, number, id)
  redis.call('ZADD', prefix .. team, number, id)
  redis.call('ZREM', prefix .. (closes and 'open' or 'closed'), id)
  if closes then
    redis.call('ZADD', prefix .. 'over', at, id)
  else
    redis.call('ZREM', prefix .. 'over', id)
    redis.call('ZREM', prefix .. 'pack', id)
  end
end
-- Packed once nothing more has come for a while; what is said after the close, too.
if #events > 0 and (rests == '1' or redis.call('ZSCORE', prefix .. 'over', id)) then
  redis.call('ZADD', prefix .. 'pack', at, id)
end
if reopens then redis.call('SET', prefix .. 'k:' .. key, id) end
if closes and redis.call('GET', prefix .. 'k:' .. key) == id then
  redis.call('DEL', prefix .. 'k:' .. key)
end
if leaves == '1' then
  redis.call('SET', prefix .. 'l:' .. key, id, 'EX', remember)
end
-- Before the mailbox is trimmed: cut off here, they come twice rather than never.
for _, mail in ipairs(follow_ups) do
  redis.call('SET', prefix .. 'k:' .. key, next_id)
  post(prefix, next_id, mail, at)
end
if due == '' then
  redis.call('ZREM', prefix .. 'due', id)
else
  redis.call('ZADD', prefix .. 'due', due, id)
end
local fields = {'v', revision, 's', state, 'd', due, 'y', summary, 'n', known + #events,
  'p', read}
-- With the state, since a purge goes by them: whether it is closed, and its team.
if closes or reopens then
  for _, field in ipairs({'c', closes and at or '', 't', team}) do
    fields[#fields + 1] = field
  end
end
redis.call('HSET', incident, unpack(fields))
-- A field takes 60 bytes, also an empty one. Removed only after the state is written:
-- cut off before it, the audit finds by `d` when the old state was due.
if due == '' then redis.call('HDEL', incident, 'd') end
if stored[7] then redis.call('HDEL', incident, 'f') end
if repeats > 0 then redis.call('HINCRBY', incident, 'r', repeats) end
if sent > read then
  redis.call('ZADD', prefix .. 'mail', at, id)
  kick()
else
  redis.call('ZREM', prefix .. 'mail', id)
end
for item = 3, #sends, 4 do arm(tonumber(sends[item]), at) end
if due ~= '' then arm(tonumber(due), at) end
forget(mailbox, read)
return 'done'
