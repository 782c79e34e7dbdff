#!lua flags=allow-oom
-- Drop: drop one dead letter, or all.
--
-- ARGV[1]  dead letter, or "" for all
--
-- Returns how many were dropped.
local letter = ARGV[1]
if letter == "" then
	local n = call("XLEN", DEAD)
	for _, dead in ipairs(call("XRANGE", DEAD, "-", "+")) do
		local body = values(dead[2]).b
		if body then call("UNLINK", BODY .. body) end
	end
	call("DEL", DEAD)
	call("HSET", METER, "dead", 0)
	return n
end
local found = call("XRANGE", DEAD, letter, letter)[1]
if not found then return 0 end
discard(found)
return 1
