#!lua flags=allow-oom
-- Read: a gateway has handled its replies up to an entry, and is alive.
--
-- KEYS[1]  replies   KEYS[2]  bytes in them
-- ARGV[1]  the last entry handled, or "" to begin
-- ARGV[2]  bytes handled
-- ARGV[3]  ms after which a gateway that says nothing has no stream any more
--
-- Returns 1, or 0 if the stream had to be made.
local made = redis.call("EXISTS", KEYS[1]) == 0
if made then
	redis.call("XGROUP", "CREATE", KEYS[1], "g", "0", "MKSTREAM")
	redis.call("SET", KEYS[2], 0)
elseif ARGV[1] ~= "" then
	local ms, seq = string.match(ARGV[1], "(%d+)-(%d+)")
	redis.call("XTRIM", KEYS[1], "MINID", ms .. "-" .. string.format("%.0f", seq + 1))
	if redis.call("DECRBY", KEYS[2], ARGV[2]) < 0 or redis.call("XLEN", KEYS[1]) == 0 then redis.call("SET", KEYS[2], 0) end
end
redis.call("PEXPIRE", KEYS[1], ARGV[3])
redis.call("PEXPIRE", KEYS[2], ARGV[3])
return made and 0 or 1
