#!lua flags=allow-oom
-- Beat: a worker is alive, or leaves. Workers that have long been silent are
-- forgotten, with the consumers that own nothing any more.
--
-- ARGV[1]  worker     ARGV[2]  heartbeat, JSON; "" if it leaves
-- ARGV[3]  forget those silent for so many ms
--
-- Returns nothing of use.
local worker, beat = ARGV[1], ARGV[2]
local now = clock() / 1000

local function forget(name)
	for lane = 1, 3 do
		local consumers = redis.pcall("XINFO", "CONSUMERS", KEYS[lane], GROUP)
		for _, c in ipairs(consumers.err and {} or consumers) do
			local v = values(c)
			if string.sub(v.name, 1, #name + 1) == name .. "/" then
				if v.pending > 0 then return end
				call("XGROUP", "DELCONSUMER", KEYS[lane], GROUP, v.name)
			end
		end
	end
	call("ZREM", WORKERS, name)
	call("HDEL", BEATS, name)
end

if beat == "" then
	call("ZADD", WORKERS, 0, worker)
	call("HDEL", BEATS, worker)
	forget(worker)
else
	call("ZADD", WORKERS, int(now), worker)
	call("HSET", BEATS, worker, beat)
end
for _, name in ipairs(call("ZRANGEBYSCORE", WORKERS, "-inf", int(now - tonumber(ARGV[3])), "LIMIT", 0, 10)) do
	forget(name)
end
return 1
