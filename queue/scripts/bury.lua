#!lua flags=allow-oom
-- Bury: give up a delivered call that cannot be decoded.
--
-- ARGV[1]  lane       ARGV[2]  entry     ARGV[3]  reason
-- ARGV[4]  job id or ""                  ARGV[5]  result of the job
-- ARGV[6]  retention of an ended job in ms
--
-- Returns 1, or 0 if the entry is gone.
local lane, id = tonumber(ARGV[1]), ARGV[2]
local fs = fetch(lane, id)
if not fs then return 0 end
bury(lane, id, fs, ARGV[3])
if ARGV[4] ~= "" then finish(ARGV[4], lane, id, "failed", clock(), tonumber(ARGV[6]), nil, ARGV[5]) end
return 1
