package queue

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// keys names everything that Ekiben keeps in Redis. No other file spells a key.
//
// All keys of a shard carry the tag {<runner>~<shard>}, so that one script may
// touch them in a Redis Cluster. There is one shard, 0, today.
//
//	<prefix>:runners                              set     names of all runners
//	<prefix>:{schedules}:records                  hash    name of a schedule -> its revision and record, JSON
//	<prefix>:{schedules}:inputs                   hash    name of a schedule -> the body of its calls
//	<prefix>:{<runner>~<shard>}:calls:<lane>      stream  calls, waiting and in flight
//	<prefix>:{<runner>~<shard>}:meter             hash    what waits, see scripts/lib.lua
//	<prefix>:{<runner>~<shard>}:due               zset    <lane>:<entry> of what waits, by deadline in µs
//	<prefix>:{<runner>~<shard>}:running           zset    <lane>:<entry> of jobs in flight, likewise
//	<prefix>:{<runner>~<shard>}:crashes           hash    <lane>:<entry> -> crashes in company, crashes alone, leases lost
//	<prefix>:{<runner>~<shard>}:bell              list    at most one token: come and ask
//	<prefix>:{<runner>~<shard>}:dead              stream  dead letters
//	<prefix>:{<runner>~<shard>}:callers           hash    caller -> millionths of the queue that its calls take
//	<prefix>:{<runner>~<shard>}:canceled          set     <lane>:<entry> of calls in flight that nobody wants any more
//	<prefix>:{<runner>~<shard>}:job:<id>          hash    record of a job
//	<prefix>:{<runner>~<shard>}:body:<name>       string  inputs of a call that are large, see body.go
//	<prefix>:{<runner>~<shard>}:jobs              zset    id of every job, by acceptance in µs
//	<prefix>:{<runner>~<shard>}:kept              zset    <bytes>:<id> of ended jobs, by when they are dropped in µs
//	<prefix>:{<runner>~<shard>}:spec              string  the runner's spec, JSON
//	<prefix>:{<runner>~<shard>}:workers           zset    worker -> last heartbeat, in ms
//	<prefix>:{<runner>~<shard>}:beats             hash    worker -> its heartbeat, JSON
//	<prefix>:batches                              zset    id of every batch, by acceptance in µs
//	<prefix>:batches:open                         zset    those that may not have ended, likewise
//	<prefix>:{batch~<id>}:batch                   hash    record of a batch
//	<prefix>:{<runner>~<shard>}:later             zset    id of jobs that are to be queued within a minute, by when in µs
//	<prefix>:{<runner>~<shard>}:errands           zset    <kind>:<n>:<id>, by when in µs
//	<prefix>:{key~<hash>}:alias                   string  id and digest that a client's key stands for
//	<prefix>:{gw~<gateway>}:replies               stream  replies to one gateway
//	<prefix>:{gw~<gateway>}:bytes                 string  bytes in that stream
type keys struct{ prefix string }

// shard is the only one today.
const shard = "0"

// Lanes by number, as scripts know them.
const (
	laneHigh = iota + 1
	laneNormal
	laneLow
	lanes = 3
)

func laneName(lane int) string {
	return [...]string{laneHigh: "high", laneNormal: "normal", laneLow: "low"}[lane]
}

func (k keys) runners() string        { return k.prefix + ":runners" }
func (k keys) schedules() string      { return k.prefix + ":{schedules}:records" }
func (k keys) scheduleInputs() string { return k.prefix + ":{schedules}:inputs" }

func (k keys) calls(runner string, lane int) string { return k.of(runner, "calls:"+laneName(lane)) }
func (k keys) meter(runner string) string           { return k.of(runner, "meter") }
func (k keys) due(runner string) string             { return k.of(runner, "due") }
func (k keys) running(runner string) string         { return k.of(runner, "running") }
func (k keys) crashes(runner string) string         { return k.of(runner, "crashes") }
func (k keys) bell(runner string) string            { return k.of(runner, "bell") }
func (k keys) dead(runner string) string            { return k.of(runner, "dead") }
func (k keys) callers(runner string) string         { return k.of(runner, "callers") }
func (k keys) canceled(runner string) string        { return k.of(runner, "canceled") }
func (k keys) job(runner, id string) string         { return k.of(runner, "job:"+id) }
func (k keys) body(runner, name string) string      { return k.of(runner, "body:"+name) }
func (k keys) jobs(runner string) string            { return k.of(runner, "jobs") }
func (k keys) kept(runner string) string            { return k.of(runner, "kept") }
func (k keys) later(runner string) string           { return k.of(runner, "later") }
func (k keys) errands(runner string) string         { return k.of(runner, "errands") }
func (k keys) spec(runner string) string            { return k.of(runner, "spec") }
func (k keys) workers(runner string) string         { return k.of(runner, "workers") }
func (k keys) beats(runner string) string           { return k.of(runner, "beats") }

func (k keys) replies(gateway string) string    { return k.prefix + ":{gw~" + gateway + "}:replies" }
func (k keys) replyBytes(gateway string) string { return k.prefix + ":{gw~" + gateway + "}:bytes" }

func (k keys) alias(hash string) string { return k.prefix + ":{key~" + hash + "}:alias" }

func (k keys) batches() string        { return k.prefix + ":batches" }
func (k keys) openBatches() string    { return k.prefix + ":batches:open" }
func (k keys) batch(id string) string { return k.prefix + ":{batch~" + id + "}:batch" }

func (k keys) of(runner, what string) string {
	return k.prefix + ":{" + runner + "~" + shard + "}:" + what
}

// shardKeys are the keys that every script of a shard is given, in the order
// that scripts/lib.lua names them.
func (k keys) shardKeys(runner string) []string {
	return []string{
		k.calls(runner, laneHigh), k.calls(runner, laneNormal), k.calls(runner, laneLow),
		k.meter(runner), k.due(runner), k.running(runner), k.crashes(runner), k.bell(runner), k.dead(runner),
		k.workers(runner), k.beats(runner), k.callers(runner), k.canceled(runner), k.jobs(runner), k.kept(runner),
		k.later(runner), k.errands(runner),
		k.job(runner, ""), k.body(runner, ""),
	}
}

// NewID returns an id for a call of the runner: <runner>~<shard>~<random>, with
// 128 bits that cannot be guessed. An id finds its shard by itself.
func NewID(runner string) string { return runner + "~" + shard + "~" + rand.Text() }

// IDFor returns the id of a call of the runner that goes by a name: the same for
// the same name.
func IDFor(runner, name string) string {
	sum := sha256.Sum256([]byte(name))
	return runner + "~" + shard + "~" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
}

// RunnerOf returns the runner in an id made by [NewID], or [ErrUnknownJob].
func RunnerOf(id string) (string, error) {
	runner, rest, ok := strings.Cut(id, "~")
	s, random, ok2 := strings.Cut(rest, "~")
	if !ok || !ok2 || runner == "" || s != shard || random == "" || strings.ContainsFunc(id, notInID) {
		return "", fmt.Errorf("%w: %q is not the id of a job", ErrUnknownJob, id)
	}
	return runner, nil
}

// notInID are characters that mean something in a key or beside an envelope.
func notInID(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' || r == ':' }
