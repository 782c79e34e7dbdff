#!lua flags=allow-oom
-- Stats: what a runner's queue looks like.
--
-- ARGV[1]  a worker is alive if it beat within so many ms
--
-- Returns now in µs, depth, living workers, dead letters, callers, the meter as
-- HGETALL answers it, and of errands: how many are due, how many there are, how many
-- jobs need none, and when the first is to be done, in µs.
local now = clock()
local first = call("ZRANGE", ERRANDS, 0, 0, "WITHSCORES")
return {
	int(now),
	call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3]),
	call("ZCOUNT", WORKERS, int(now / 1000 - tonumber(ARGV[1])), "+inf"),
	call("XLEN", DEAD),
	call("HLEN", CALLERS),
	call("HGETALL", METER),
	{ call("ZCOUNT", ERRANDS, "-inf", int(now)), call("ZCARD", ERRANDS), call("ZCARD", LATER), int(first[2] or 0) },
}
