#!lua flags=allow-oom
-- Release: a consumer gives back calls that it did not execute, at their place.
--
-- ARGV[1]  consumer
-- ARGV[2]  "only" if the entries that follow are given back, "except" if all
--          others that the consumer owns are
-- ARGV[3]  retention of an ended job in ms
-- ARGV[4]  how many follow, each with lane, entry
--
-- Returns how many were given back.
local consumer, except, retention, n = ARGV[1], ARGV[2] == "except", tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()
local named, given = { {}, {}, {} }, 0
for i = 0, n - 1 do named[tonumber(ARGV[5 + i * 2])][ARGV[6 + i * 2]] = true end

local function give(lane, id)
	local fs = fetch(lane, id)
	if not fs then
		call("XACK", KEYS[lane], GROUP, id)
	elseif release(lane, id, fs, now, retention) then
		given = given + 1
	end
end

for lane = 1, 3 do
	if except then
		local from = "-"
		repeat
			local ps = redis.pcall("XPENDING", KEYS[lane], GROUP, from, "+", 128, consumer)
			for _, p in ipairs(ps.err and {} or ps) do
				if not named[lane][p[1]] then give(lane, p[1]) end
				from = after(p[1])
			end
		until ps.err or #ps < 128
	else
		for id in pairs(named[lane]) do
			if owner(lane, id) == consumer then give(lane, id) end
		end
	end
end
if given > 0 then ring() end
return given
