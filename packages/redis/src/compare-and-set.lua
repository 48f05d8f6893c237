-- Sets KEYS[1] to ARGV[2] for ARGV[3] seconds if it holds ARGV[1]. An empty ARGV[1] means that the key must not exist; an
-- empty ARGV[2] removes the key.
-- Replies {1, nil} if done, otherwise {0, current value of the key}.
local current = redis.call('GET', KEYS[1])
if (current or '') ~= ARGV[1] then
  return { 0, current }
end
-- `pcall` instead of `call`: older servers wrap the error code of a refused write (OOM, READONLY, ...) in a script error.
local written
if ARGV[2] == '' then
  written = redis.pcall('DEL', KEYS[1])
else
  written = redis.pcall('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
if type(written) == 'table' and written.err then
  return written
end
return { 1, false }
