-- Put one alert into the mailbox of the open incident with its key.
-- prefix, hash of the key, hash of the occurrence or '', fires (1 or 0),
-- candidate id, body, mailbox length at most, seconds to remember an occurrence,
-- late notices at most
local prefix, key, occurrence, fires, candidate, body = unpack(ARGV, 1, 6)
local length_max, remember, late_max = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
local at = now()
local id = redis.call('GET', prefix .. 'k:' .. key)
local mark = prefix .. 'o:' .. occurrence
local is_marked = fires == '1' and occurrence ~= '' and redis.call('EXISTS', mark) == 1

if is_marked or (not id and fires == '0') then
  if not is_marked and occurrence ~= '' then redis.call('SET', mark, '1', 'EX', remember) end
  redis.call('LPUSH', prefix .. 'late', at .. ' ' .. body)
  redis.call('LTRIM', prefix .. 'late', 0, late_max - 1)
  return {'late', ''}
end
if id then
  if redis.call('LLEN', prefix .. 'm:' .. id) >= length_max then return {'full', id} end
  post(prefix, id, body, at)
  return {'joined', id}
end
if redis.call('EXISTS', prefix .. 'i:' .. candidate) == 1 then return {'again', ''} end
redis.call('SET', prefix .. 'k:' .. key, candidate)
post(prefix, candidate, body, at)
return {'opened', candidate}
