-- All fields of a partition's hash at one instant, as field, value, field, value, … Of the folded minutes only the names: they are
-- most of the hash, and whoever goes on counting does not need them.
local found, names = {}, {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(name, 1, 2) == 'm:' then
    found[#found + 1] = name
    found[#found + 1] = ''
  else
    names[#names + 1] = name
  end
end
for first = 1, #names, 4000 do
  local values = redis.call('HMGET', KEYS[1], unpack(names, first, math.min(first + 3999, #names)))
  for i, value in ipairs(values) do
    found[#found + 1] = names[first + i - 1]
    found[#found + 1] = value
  end
end
return found
