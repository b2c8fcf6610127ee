-- Add what a process counted, once. What counts is one write: cut off, it was none.
-- key, the process's field, its number, how many fields to add to, how many to set, then
-- each field with what to add, each with what to set it to, and the fields to remove.
-- Tells the time.
local key, process, number = ARGV[1], ARGV[2], whole(ARGV[3])
local adding, setting = whole(ARGV[4]), whole(ARGV[5])
local first, last, at = 6, 5 + 2 * adding, now()
local known = redis.call('HGET', key, process) or ''
if tonumber(string.match(known, '^%d+') or 0) >= number then return at end

local written = {process, string.format('%.0f %.0f', number, at)}
for item = first, last, 2 do
  local before = tonumber(redis.call('HGET', key, ARGV[item]) or 0)
  written[#written + 1] = ARGV[item]
  written[#written + 1] = string.format('%.0f', before + whole(ARGV[item + 1]))
end
first, last = last + 1, last + 2 * setting
for item = first, last do written[#written + 1] = ARGV[item] end
for item = last + 1, #ARGV do redis.call('HDEL', key, ARGV[item]) end
redis.call('HSET', key, unpack(written))
return at
