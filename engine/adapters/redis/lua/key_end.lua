-- Put an answer in the place of the run that holds an idempotency key, or give it back.
-- key, the run, seconds to keep the answer, the answer or ''
local key, run, remember, answer = ARGV[1], ARGV[2], whole(ARGV[3]), ARGV[4]
if redis.call('GET', key) ~= run then return 0 end
if answer == '' then
  redis.call('DEL', key)
else
  redis.call('SET', key, answer, 'EX', remember)
end
return 1
