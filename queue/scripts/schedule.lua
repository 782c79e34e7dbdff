#!lua
-- Schedule: write or drop a schedule if it is still what was read.
--
-- KEYS[1]  schedules: name -> revision, a space, record   KEYS[2]  inputs: name -> input
--
-- ARGV[1]  name
-- ARGV[2]  the revision that was read; "": there must be none
-- ARGV[3]  the revision it is to have; "": drop it
-- ARGV[4]  the record
-- ARGV[5]  1: the input is written too   ARGV[6]  the input
-- ARGV[7]  how many schedules there may be
--
-- Returns 1, or 0 if the revision is another, or -1 if there are too many.
local have = redis.call("HGET", KEYS[1], ARGV[1])
local rev = have and string.match(have, "^%w*") or ""
if rev ~= ARGV[2] then return 0 end
if ARGV[3] == "" then
	redis.call("HDEL", KEYS[1], ARGV[1])
	redis.call("HDEL", KEYS[2], ARGV[1])
	return 1
end
if not have and redis.call("HLEN", KEYS[1]) >= tonumber(ARGV[7]) then return -1 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3] .. " " .. ARGV[4])
if ARGV[5] == "1" then redis.call("HSET", KEYS[2], ARGV[1], ARGV[6]) end
return 1
