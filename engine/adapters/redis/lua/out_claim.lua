-- Take notifications that are due, as far as there is room, for a lease.
-- lease ms, number of shards, then for each channel: its name, free slots, slots of each
-- provider, how many providers have some under way, and of each of those its name, how
-- many a timer caused, how many an opening
local lease, shards = whole(ARGV[1]), whole(ARGV[2])
local rooms, each_max, position = {}, 0, 3
while ARGV[position] do
  local room = {left = whole(ARGV[position + 1]), each = whole(ARGV[position + 2]), busy = {}}
  local last = position + 3 + 3 * whole(ARGV[position + 3])
  for item = position + 4, last, 3 do
    room.busy[ARGV[item]] = {whole(ARGV[item + 1]), whole(ARGV[item + 2])}
  end
  rooms[ARGV[position]] = room
  each_max = math.max(each_max, room.each)
  position = last + 1
end
local at, found, providers, lines, changed = now(), {}, {}, {}, {}

-- One provider's trays of one cause, over all shards.
local function line(under_way) return {under_way = under_way, trays = {}, next = 1} end

-- The line that the trays of this name are in; false if there is no room for it.
local function line_of(tray)
  local channel, name, cause = string.match(tray, '^(.*):([^:]*):(%a+)$')
  local room = rooms[channel]
  if not room or (cause ~= 'timer' and cause ~= 'opening') then return false end
  local provider = providers[channel .. ':' .. name]
  if not provider then
    local busy = room.busy[name] or {0, 0}
    if busy[1] + busy[2] >= math.min(room.each, room.left) then return false end
    provider = {room = room, since = at, timer = line(busy[1]), opening = line(busy[2])}
    providers[channel .. ':' .. name] = provider
    providers[#providers + 1] = provider
  end
  provider[cause].provider = provider
  return provider[cause]
end

-- Note a tray that may have something due; most often there is none.
local function collect(prefix, tray, since)
  local waiting = lines[tray]
  if waiting == nil then
    waiting = line_of(tray)
    lines[tray] = waiting
  end
  if not waiting then return end
  waiting.trays[#waiting.trays + 1] = {prefix = prefix, name = tray, since = since}
  waiting.provider.since = math.min(waiting.provider.since, since)
end

-- What `trays` says of it is put right in the end.
local function touch(tray)
  if not tray.is_touched then changed[#changed + 1] = tray end
  tray.is_touched = true
end

local function by_age(one, other) return one.since < other.since end

-- The first entry in line: its tray, its name, since when it is due. None if nothing is.
local function head(waiting)
  if not waiting.is_sorted then table.sort(waiting.trays, by_age) end
  waiting.is_sorted = true
  local tray = waiting.trays[waiting.next]
  if not tray then return nil end
  if not tray.first then
    tray.first = redis.call('ZRANGEBYSCORE', tray.prefix .. 'out:' .. tray.name, '-inf', at,
      'WITHSCORES', 'LIMIT', 0, 1)
  end
  if tray.first[1] then return tray, tray.first[1], tonumber(tray.first[2]) end
  touch(tray)
  waiting.next = waiting.next + 1
  return head(waiting)
end

-- Take an entry for a lease; one that is not wanted any more is dropped.
local function take(tray, entry)
  local prefix = tray.prefix
  touch(tray)
  tray.first = nil
  local attempt, begun, mark = attempt_of(prefix, entry)
  local body = redis.call('HGET', prefix .. 'ob', entry)
  local incident = prefix .. 'i:' .. string.match(entry, '^[^|]*')
  if not attempt or not body or mark == 'w' or redis.call('EXISTS', incident) == 0 then
    drop_entry(prefix, entry, tray.name)
    return false
  end
  set_attempt(prefix, entry, attempt + 1, begun, '', tray.name)
  redis.call('ZADD', prefix .. 'out:' .. tray.name, 'XX', at + lease, entry)
  found[#found + 1] = {entry, attempt + 1, body, tray.name}
  return true
end

-- Take the next entry of a provider: of the cause with fewer under way, else of the one
-- that is due for longer.
local function take_next(provider)
  repeat
    local timer, opening = provider.timer, provider.opening
    local tray, entry, since = head(timer)
    local other, other_entry, other_since = head(opening)
    local by_opening = other and (not tray or opening.under_way < timer.under_way
      or (opening.under_way == timer.under_way and other_since < since))
    if by_opening then tray, entry, timer = other, other_entry, opening end
    if not tray then return end
    if take(tray, entry) then
      timer.under_way = timer.under_way + 1
      provider.room.left = provider.room.left - 1
      return
    end
  until false
end

for shard = 0, shards - 1 do
  local prefix = prefix_of(shard)
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'trays', '-inf', at, 'WITHSCORES')
  for item = 1, #due, 2 do collect(prefix, due[item], tonumber(due[item + 1])) end
end
table.sort(providers, by_age)
-- Who has nothing under way takes one each, then who has one, and so on.
for level = 0, each_max - 1 do
  for _, provider in ipairs(providers) do
    local room = provider.room
    if provider.timer.under_way + provider.opening.under_way == level
      and level < math.min(room.each, room.left) then take_next(provider) end
  end
end
for _, tray in ipairs(changed) do tidy(tray.prefix, tray.name) end
return {at, found}
