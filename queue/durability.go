package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Durability says what an accepted call is worth when Redis crashes.
type Durability struct {
	// Problem is "" if accepted calls survive a crash of the Redis process, else
	// the reason why they do not.
	Problem string
	// AppendOnly: there is an append-only file.
	AppendOnly bool
	// Version of the server; "" for the embedded one.
	Version string
}

// Durability asks the server. It reads INFO only, which works where CONFIG is
// forbidden.
func (q *Queue) Durability(ctx context.Context) (Durability, error) {
	info, err := q.redis.InfoMap(ctx, "server", "persistence", "memory", "replication").Result()
	if err != nil && isConnection(err) {
		return Durability{}, unavailable("ask for persistence", err)
	}
	field := func(section, name string) string { return info[section][name] }
	d := Durability{Version: field("Server", "redis_version"), AppendOnly: field("Persistence", "aof_enabled") == "1"}
	policy := field("Memory", "maxmemory_policy")
	switch {
	case d.Version == "":
		d.Problem = "the embedded Redis keeps everything in memory; name a server with EKIBEN_REDIS_URL, or keep data with serve --data DIR"
	case older(d.Version, oldest):
		d.Problem = fmt.Sprintf("the Redis server has version %s, the queue needs %d.0", d.Version, oldest)
	case !d.AppendOnly:
		d.Problem = "the Redis server has no append-only file; set `appendonly yes`"
	case field("Persistence", "aof_last_write_status") != "ok":
		d.Problem = "the last write to the append-only file failed"
	case policy != "" && policy != "noeviction":
		d.Problem = fmt.Sprintf("maxmemory-policy is %s, which may drop queued calls; set `maxmemory-policy noeviction`", policy)
	case field("Replication", "role") != "master":
		d.Problem = "the Redis server is a replica"
	}
	return d, nil
}

// oldest is the first major version of Redis that has what the scripts use.
const oldest = 7

func older(version string, major int) bool {
	first, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(first)
	return err == nil && n < major
}
