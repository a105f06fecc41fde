-- Deletes fields while the stored token is the writer's. KEYS[1] the board; ARGV token, then fields.
if redis.call('HGET', KEYS[1], '_token') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], unpack(ARGV, 2))
return 1
