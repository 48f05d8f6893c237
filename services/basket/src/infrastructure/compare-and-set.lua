-- Sets KEYS[1] to ARGV[2] for ARGV[3] seconds if it holds ARGV[1]. An empty text stands for no key.
-- Replies {1, nil} when done, else {0, what the key holds}.
local current = redis.call('GET', KEYS[1])
if (current or '') ~= ARGV[1] then
  return { 0, current }
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return { 1, false }
