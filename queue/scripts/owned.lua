#!lua flags=allow-oom
-- Say which calls a consumer owns, and renew its lease on them.
--
-- ARGV[1]  consumer
-- ARGV[2]  how many calls follow, each with lane, entry
--
-- Returns for each call 1, or 0 if it is not this consumer's any more, or 2 if
-- it is, but nobody wants it any more.
local consumer, n, out = ARGV[1], tonumber(ARGV[2]), {}
local canceled = call("EXISTS", CANCELED) == 1
for i = 0, n - 1 do
	local lane, id = tonumber(ARGV[3 + i * 2]), ARGV[4 + i * 2]
	out[i + 1] = 0
	if owner(lane, id) == consumer then
		call("XCLAIM", KEYS[lane], GROUP, consumer, 0, id, "JUSTID")
		out[i + 1] = canceled and call("SISMEMBER", CANCELED, lane .. ":" .. id) == 1 and 2 or 1
	end
end
return out
