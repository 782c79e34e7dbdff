#!lua flags=allow-oom
-- Stats: what a runner's queue looks like.
--
-- ARGV[1]  a worker is alive if it beat within so many ms
--
-- Returns now in µs, depth, living workers, dead letters, callers, and the meter
-- as HGETALL answers it.
local now = clock()
return {
	int(now),
	call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3]),
	call("ZCOUNT", WORKERS, int(now / 1000 - tonumber(ARGV[1])), "+inf"),
	call("XLEN", DEAD),
	call("HLEN", CALLERS),
	call("HGETALL", METER),
}
