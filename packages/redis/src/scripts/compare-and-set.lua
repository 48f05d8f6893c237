-- Sets KEYS[1] to ARGV[2] for ARGV[3] seconds if it holds ARGV[1]. An empty ARGV[1] means that the key must not exist; an
-- empty ARGV[2] removes the key. If both are the same, the key keeps its remaining life.
-- Replies {1, nil} if done, otherwise {0, current value of the key}.
local current = redis.call('GET', KEYS[1])
if (current or '') ~= ARGV[1] then
  return { 0, current }
end
-- `pcall` instead of `call`: older servers wrap the error code of a refused write (OOM, READONLY, ...) in a script error.
local function set()
  if ARGV[1] == ARGV[2] then
    return redis.pcall('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  end
  return redis.pcall('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
local function refusal(reply)
  return type(reply) == 'table' and reply.err or nil
end
local written
if ARGV[2] == '' then
  written = redis.pcall('DEL', KEYS[1])
else
  written = set()
  -- A server that has reached maxmemory refuses SET even if the value gets shorter, unless the script has written before.
  -- EXPIRE is such a write. Unlike DEL, it loses nothing if SET is refused again: that of a missing key is, while its slot
  -- moves to another node. 60 bytes are for a short entry about the write, and for counters that get another digit.
  if string.find(refusal(written) or '', 'OOM', 1, true) and current and #ARGV[2] <= #current + 60 then
    if not refusal(redis.pcall('EXPIRE', KEYS[1], ARGV[3])) then
      written = set()
    end
  end
end
return refusal(written) and written or { 1, false }
