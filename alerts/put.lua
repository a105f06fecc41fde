-- Puts fields while the stored token is the writer's. KEYS[1] the board; ARGV token, then field, value, field, value, …
-- There is one write only: the append-only file then holds it whole or not at all.
if redis.call('HGET', KEYS[1], '_token') ~= ARGV[1] then
  return 0
end
if #ARGV > 1 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 2))
end
return 1
