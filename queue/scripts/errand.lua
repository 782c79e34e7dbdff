#!lua flags=allow-oom
-- Errand: what an errand changes about its job.
--
-- ARGV[1]  "ripen": the sorted set queues the job from now on
--          "note": what came of a delivery of the errand n, if that is still the
--          one which is waited for: n, state, deliveries, status, answer
--          "again": the webhook, which is not pending, is to be delivered again; the
--          record is kept for as long as that may take
-- ARGV[2]  job id
-- ARGV[3]  attempt, or the first value
--
-- Returns 1, or 0 if it has no effect.
local what, job = ARGV[1], ARGV[2]
local key, now = JOB .. job, clock()
local v = call("HMGET", key, "state", "entry", "attempt", "run_at", "hook", "hooks", "hook_state", "size", "expires")
if not v[1] then return 0 end

local function prolong()
	local expires = now + HOOK_RETENTION * 1000
	if expires <= tonumber(v[9]) then return end
	call("HSET", key, "expires", int(expires))
	call("PEXPIRE", key, HOOK_RETENTION)
	call("PEXPIRE", BODY .. job, HOOK_RETENTION)
	call("PEXPIRE", BODY .. "result~" .. job, HOOK_RETENTION)
	call("ZADD", KEPT, "XX", int(expires), v[8] .. ":" .. job)
end

if what == "ripen" then
	if v[1] ~= "queued" or v[2] ~= "" or tonumber(v[3] or 0) ~= tonumber(ARGV[3]) then return 0 end
	call("ZADD", LATER, v[4], job)
elseif what == "note" then
	if v[6] ~= ARGV[3] or v[7] ~= "pending" then return 0 end
	call("HSET", key, "hook_state", ARGV[4], "deliveries", ARGV[5], "hook_status", ARGV[6], "hook_answer", ARGV[7], "hook_at", int(now))
else
	if not terminal(v[1]) or not v[5] or v[7] == "pending" then return 0 end
	prolong()
	local n = int(tonumber(v[6] or 0) + 1)
	call("HSET", key, "hook_state", "pending", "hooks", n, "deliveries", 0)
	call("ZADD", ERRANDS, int(now), "webhook:" .. n .. ":" .. job)
end
return 1
