-- Sets KEYS[1] to ARGV[2] for ARGV[3] seconds if it holds ARGV[1]. An empty text stands for no key.
-- Replies {1, nil} when done, else {0, what the key holds}.
local current = redis.call('GET', KEYS[1])
if (current or '') ~= ARGV[1] then
  return { 0, current }
end
-- Not `call`: older servers would hide the reason of a refusal (OOM, READONLY, ...) inside an error of the script.
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
