-- Remove all that is kept of a closed incident.
-- prefix, id, closed at this time (ms) or before
local prefix, id, before = ARGV[1], ARGV[2], whole(ARGV[3])
local incident, counts = prefix .. 'i:' .. id, prefix .. 'snapn'
local closed_at = tonumber(redis.call('ZSCORE', prefix .. 'over', id) or before + 1)
local fields = redis.call('HMGET', incident, 'q', 'p', 'c', 'sn', 'sx', 't', 'zn', 'zo')
local has_mail = tonumber(fields[1] or 0) > tonumber(fields[2] or 0)
local is_gone = redis.call('EXISTS', incident) == 0
local is_open = not is_gone and (fields[3] or '') == ''
local at = now()
if closed_at > before then return 'young' end
if has_mail or is_open then
  -- It waits at the end, so that it holds up no other.
  redis.call('ZADD', prefix .. 'over', 'XX', at, id)
  return 'kept'
end

-- From here on it writes, in an order in which running it again after it was cut off is
-- right: each count goes down once, as its mark says, and the incident goes last.
local named = fields[4] or ''
for snapshot in string.gmatch(named, '%S+') do
  local count, mark = tonumber(redis.call('HGET', counts, snapshot) or 0), snapshot .. ' -' .. id
  if redis.call('HEXISTS', counts, mark) == 0 then
    count = math.max(count - 1, 0)
    redis.call('HSET', counts, snapshot, count, mark, 1)
  end
  if count == 0 then redis.call('HDEL', prefix .. 'snap', snapshot) end
end
if named ~= '' then redis.call('HSET', incident, 'sn', '', 'sx', named) end
for snapshot in string.gmatch(named ~= '' and named or fields[5] or '', '%S+') do
  local marks = {snapshot .. ' ' .. id, snapshot .. ' -' .. id}
  if redis.call('HGET', counts, snapshot) == '0' then marks[3] = snapshot end
  redis.call('HDEL', counts, unpack(marks))
end
for _, index in ipairs({'due', 'mail', 'open', 'closed', 'pack'}) do
  redis.call('ZREM', prefix .. index, id)
end
if fields[6] then redis.call('ZREM', prefix .. fields[6], id) end
redis.call('DEL', prefix .. 'm:' .. id, prefix .. 'a:' .. id, prefix .. 'h:' .. id)
-- Of a packing that was cut off, the list before this one may be there too.
for _, packed in ipairs({fields[7] or '', fields[8] or ''}) do
  if packed ~= '' then redis.call('DEL', history_of(prefix, id, packed)) end
end
redis.call('DEL', incident)
redis.call('ZREM', prefix .. 'over', id)
return 'gone'
