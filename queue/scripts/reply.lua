#!lua flags=allow-oom
-- Reply: append replies to a gateway's stream, if it has one and there is room.
--
-- KEYS[1]  replies   KEYS[2]  bytes in them
-- ARGV[1]  most bytes
-- ARGV[2]  call id, reply, and so on
--
-- Returns 1, or 0 if the replies were dropped.
local size = 0
for i = 3, #ARGV, 2 do size = size + #ARGV[i] end
if size + tonumber(redis.call("GET", KEYS[2]) or 0) > tonumber(ARGV[1]) then return 0 end
if not redis.call("XADD", KEYS[1], "NOMKSTREAM", "*", unpack(ARGV, 2)) then return 0 end
redis.call("INCRBY", KEYS[2], size)
return 1
