#!lua flags=allow-oom
-- Errand: what an errand changes about its job.
--
-- ARGV[1]  "ripen": the sorted set queues the job from now on
--          "note": what came of a delivery: state, deliveries, status, answer
--          "again": the webhook is to be delivered again
-- ARGV[2]  job id
-- ARGV[3]  attempt, or the first value
--
-- Returns 1, or 0 if it has no effect.
local what, job = ARGV[1], ARGV[2]
local key, now = JOB .. job, clock()
local v = call("HMGET", key, "state", "entry", "attempt", "run_at", "hook", "hooks")
if not v[1] then return 0 end
if what == "ripen" then
	if v[1] ~= "queued" or v[2] ~= "" or tonumber(v[3] or 0) ~= tonumber(ARGV[3]) then return 0 end
	call("ZADD", LATER, v[4], job)
elseif what == "note" then
	call("HSET", key, "hook_state", ARGV[3], "deliveries", ARGV[4], "hook_status", ARGV[5], "hook_answer", ARGV[6], "hook_at", int(now))
else
	if not terminal(v[1]) or not v[5] then return 0 end
	local n = int(tonumber(v[6] or 0) + 1)
	call("HSET", key, "hook_state", "pending", "hooks", n, "deliveries", 0)
	call("ZADD", ERRANDS, int(now), "webhook:" .. n .. ":" .. job)
end
return 1
