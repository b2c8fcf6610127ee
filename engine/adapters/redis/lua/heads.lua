-- Tell for how long (ms) the heads of the lanes, and of every tray, have been overdue.
-- number of shards
local shards, at = whole(ARGV[1]), now()
local names, overdue = {}, {}

local function look_at(prefix, name)
  local head = redis.call('ZRANGE', prefix .. name, 0, 0, 'WITHSCORES')
  if not head[2] then return end
  if not overdue[name] then names[#names + 1] = name end
  overdue[name] = math.max(overdue[name] or 0, at - tonumber(head[2]))
end

for shard = 0, shards - 1 do
  local prefix = prefix_of(shard)
  look_at(prefix, 'due')
  look_at(prefix, 'mail')
  for _, tray in ipairs(redis.call('ZRANGE', prefix .. 'trays', 0, -1)) do
    look_at(prefix, 'out:' .. tray)
  end
end
local answer = {}
for item, name in ipairs(names) do answer[item] = {name, overdue[name]} end
return answer
