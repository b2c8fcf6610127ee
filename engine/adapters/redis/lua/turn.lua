-- Take a turn: the candidate after the one that was taken last; again for the same
-- ticket, the same one.
-- key of the turns, key of the ticket, seconds to remember a ticket, then the turn and
-- the candidates in their order
local turns, ticket, remember, turn = ARGV[1], ARGV[2], whole(ARGV[3]), ARGV[4]
local known = redis.call('GET', ticket)
if known then return known end
local last = redis.call('HGET', turns, turn)
local taken = ARGV[5]
for item = 5, #ARGV - 1 do
  if ARGV[item] == last then taken = ARGV[item + 1] end
end
redis.call('HSET', turns, turn, taken)
redis.call('SET', ticket, taken, 'EX', remember)
return taken
