#!lua flags=allow-oom
-- Release: a consumer gives back calls that it did not execute, at their place.
--
-- ARGV[1]  consumer
-- ARGV[2]  "only" if the entries that follow are given back, "except" if all
--          others that the consumer owns are
-- ARGV[3]  how many follow, each with lane, entry
--
-- Returns how many were given back.
local consumer, except, n = ARGV[1], ARGV[2] == "except", tonumber(ARGV[3])
local named, given = { {}, {}, {} }, 0
for i = 0, n - 1 do named[tonumber(ARGV[4 + i * 2])][ARGV[5 + i * 2]] = true end

local function give(lane, id)
	if owner(lane, id) ~= consumer then return end
	local v = fields(lane, id)
	if not v then
		call("XACK", KEYS[lane], GROUP, id)
		return
	end
	release(lane, id, v)
	given = given + 1
end

for lane = 1, 3 do
	if except then
		local ps = redis.pcall("XPENDING", KEYS[lane], GROUP, "-", "+", 1024, consumer)
		for _, p in ipairs(ps.err and {} or ps) do
			if not named[lane][p[1]] then give(lane, p[1]) end
		end
	else
		for id in pairs(named[lane]) do give(lane, id) end
	end
end
if given > 0 then ring() end
return given
