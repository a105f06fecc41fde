-- Takes, renews or lets go of the lease, unless another one holds it.
-- KEYS[1] the lease; ARGV holder, time to live in ms, 0 to let go.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
