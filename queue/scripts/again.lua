#!lua
-- Again: queue a job again that has ended without success, or a dead letter,
-- under the same id. Runs without allow-oom, like accept.
--
-- ARGV[1]  job id              ARGV[2]  dead letter, or ""
-- ARGV[3]  most calls queued and running        ARGV[4]  most bytes of them
-- ARGV[5]  lane     ARGV[6]  envelope           ARGV[7]  rows    ARGV[8]  group
-- ARGV[9]  µs to begin in      ARGV[10] µs to end in
-- ARGV[11] method
--
-- Returns "<state> <µs>" with the time of acceptance, or why not: "unknown",
-- "letter", "full", "closed", or the state of a job that cannot be.
local job, letter, max_calls, max_bytes, lane = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local key = JOB .. job
local was = call("HMGET", key, "state", "size", "attempt")
local dead = letter ~= "" and call("XRANGE", DEAD, letter, letter)[1]
if letter ~= "" then
	if not dead then return "letter" end
elseif not was[1] then
	return "unknown"
end
if was[1] and (was[1] == "succeeded" or not terminal(was[1])) then return was[1] end
local m = call("HMGET", METER, "bytes", "gate")
local bytes, gate = tonumber(m[1] or 0), tonumber(m[2] or 0)
if gate == 2 then return "closed" end
local depth = call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3])
if depth >= max_calls or bytes + #ARGV[6] > max_bytes then return "full" end

if was[2] then
	call("ZREM", KEPT, was[2] .. ":" .. job)
	call("HINCRBY", METER, "kept", 0 - was[2])
end
if dead then discard(dead) end
local created = int(now)
call("HDEL", key, "finished", "expires", "size", "result", "call", "group", "begin", "timeout", "run_at")
call("HSET", key, "state", "queued", "asked", lane, "method", ARGV[11], "rows", ARGV[7], "created", created, "started", 0,
	"attempt", int((tonumber(was[3] or 0)) + 1),
	enqueue(lane, job, ARGV[6], ARGV[7], ARGV[8], now, now + ARGV[9], now + ARGV[10]))
call("PERSIST", key)
call("ZADD", JOBS, created, job)
call("HINCRBY", METER, "n_accepted", 1)
if gate == 0 then ring() end
return "queued " .. created
