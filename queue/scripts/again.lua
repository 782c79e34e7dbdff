#!lua
-- Again: queue a job again that has ended without success, or a dead letter,
-- under the same id. Runs without allow-oom, like accept.
--
-- ARGV[1]  job id              ARGV[2]  dead letter, or ""
-- ARGV[3]  most calls queued and running        ARGV[4]  most bytes of them
-- ARGV[5]  lane     ARGV[6]  envelope           ARGV[7]  rows    ARGV[8]  group
-- ARGV[9]  µs to begin in      ARGV[10] µs to end in
-- ARGV[11] method   ARGV[12] name of its body, or ""
--
-- Returns "<state> <µs>" with the time of acceptance, or why not: "unknown",
-- "letter", "full", "closed", "no body", or the state of a job that cannot be. The
-- body of one that is not queued is dropped.
local job, letter, max_calls, max_bytes, lane = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local body = ARGV[12] ~= "" and ARGV[12] or nil
local now = clock()

local function refuse(why)
	if body then call("UNLINK", BODY .. body) end
	return why
end

local key = JOB .. job
local was = call("HMGET", key, "state", "size", "attempt")
local dead = letter ~= "" and call("XRANGE", DEAD, letter, letter)[1]
if letter ~= "" then
	if not dead then return refuse("letter") end
elseif not was[1] then
	return refuse("unknown")
end
if was[1] and (was[1] == "succeeded" or not terminal(was[1])) then return refuse(was[1]) end
local m = call("HMGET", METER, "bytes", "gate")
local bytes, gate = tonumber(m[1] or 0), tonumber(m[2] or 0)
if gate == 2 then return refuse("closed") end
local depth = call("XLEN", KEYS[1]) + call("XLEN", KEYS[2]) + call("XLEN", KEYS[3])
local apart = body and call("STRLEN", BODY .. body) or 0
if body and apart == 0 then return "no body" end
if depth >= max_calls or bytes + #ARGV[6] + apart > max_bytes then return refuse("full") end

if was[2] then
	call("ZREM", KEPT, was[2] .. ":" .. job)
	call("HINCRBY", METER, "kept", 0 - was[2])
end
if dead then discard(dead) end
local created = int(now)
call("HDEL", key, "finished", "expires", "size", "result", "call", "group", "body", "begin", "timeout", "run_at",
	"hook_state", "deliveries", "hook_status", "hook_answer", "hook_at")
call("UNLINK", BODY .. job)
call("HSET", key, "state", "queued", "asked", lane, "method", ARGV[11], "rows", ARGV[7], "created", created, "started", 0,
	"attempt", int((tonumber(was[3] or 0)) + 1),
	enqueue(lane, job, ARGV[6], ARGV[7], ARGV[8], now, now + ARGV[9], now + ARGV[10], body, apart))
call("PERSIST", key)
call("ZADD", JOBS, created, job)
call("HINCRBY", METER, "n_accepted", 1)
if gate == 0 then ring() end
return "queued " .. created
