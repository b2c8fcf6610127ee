-- Put one notice into the mailbox of the open incident with its key.
-- prefix, hash of the key, hash of the occurrence or '', fires (1 or 0: it opens none), body,
-- mailbox length at most, seconds to remember an occurrence, late notices at most,
-- then ids for a new incident, of which the first free one is taken
local prefix, key, occurrence, fires, body = unpack(ARGV, 1, 5)
local length_max, remember, late_max = whole(ARGV[6]), whole(ARGV[7]), whole(ARGV[8])
local at = now()
local id = redis.call('GET', prefix .. 'k:' .. key)
local mark = prefix .. 'o:' .. occurrence
local is_over = fires == '1' and occurrence ~= '' and redis.call('EXISTS', mark) == 1

if is_over or (not id and fires == '0') then
  if fires == '0' and occurrence ~= '' then redis.call('SET', mark, '1', 'EX', remember) end
  redis.call('LPUSH', prefix .. 'late', at .. ' ' .. body)
  redis.call('LTRIM', prefix .. 'late', 0, late_max - 1)
  return {'late', '', at}
end
if id then
  if redis.call('LLEN', prefix .. 'm:' .. id) >= length_max then return {'full', id, at} end
  post(prefix, id, body, at)
  return {'joined', id, at}
end
for item = 9, #ARGV do
  local candidate = ARGV[item]
  if redis.call('EXISTS', prefix .. 'i:' .. candidate) == 0 then
    redis.call('SET', prefix .. 'k:' .. key, candidate)
    -- Somebody resolved the one before while its alerts went on firing.
    local before = redis.call('GET', prefix .. 'l:' .. key)
    if before then
      redis.call('HSET', prefix .. 'i:' .. candidate, 'af', before)
      redis.call('DEL', prefix .. 'l:' .. key)
    end
    post(prefix, candidate, body, at)
    return {'opened', candidate, at}
  end
end
return {'again', '', at}
