package queue

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by SHA-1
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Every script is one file whose header says what it takes and returns. Those
// of a shard are preceded by lib.lua.

//go:embed scripts/*.lua
var sources embed.FS

// scripts runs them. It loads them when the server does not know them.
type scripts struct {
	redis *redis.Client

	// plain is set once the server turned out not to understand the first line,
	// `#!lua`, as miniredis does not. Scripts are then loaded without it.
	plain atomic.Bool

	accept, acceptStaged, again, cut, finish, owned, release, crash, cancel, sweep, audit, bury, drop, gate, errand, beat, stats, forget, reply, read, batch script
}

// script is one of them in both forms.
type script struct {
	flagged, bare       string
	flaggedSHA, bareSHA string
}

// evaluation is one run of a script, or without one a command.
type evaluation struct {
	script *script
	keys   []string
	args   []any
}

func newScripts(client *redis.Client) *scripts {
	lib := mustRead("lib")
	of := func(name string) script { return newScript(mustRead(name), lib) }
	// Whether a full Redis takes a call with a body is decided when that is staged: once
	// it is, its entry must not be what does not fit any more.
	staged := newScript(strings.Replace(mustRead("accept"), "#!lua", "#!lua flags=allow-oom", 1), lib)
	return &scripts{
		redis:  client,
		accept: of("accept"), acceptStaged: staged, again: of("again"), cut: of("cut"), finish: of("finish"), owned: of("owned"),
		release: of("release"), crash: of("crash"), cancel: of("cancel"), sweep: of("sweep"), audit: of("audit"),
		bury: of("bury"), drop: of("drop"), gate: of("gate"), errand: of("errand"), beat: of("beat"), stats: of("stats"),
		forget: of("forget"), batch: newScript(mustRead("batch"), ""),
		reply: newScript(mustRead("reply"), ""), read: newScript(mustRead("read"), ""),
	}
}

func (s *scripts) all() []*script {
	return []*script{
		&s.accept, &s.acceptStaged, &s.again, &s.cut, &s.finish, &s.owned, &s.release, &s.crash, &s.cancel,
		&s.sweep, &s.audit, &s.bury, &s.drop, &s.gate, &s.errand, &s.beat, &s.stats, &s.reply, &s.read, &s.forget, &s.batch,
	}
}

func newScript(source, lib string) script {
	first, body, _ := strings.Cut(source, "\n")
	bare := lib + body
	flagged := first + "\n" + bare
	return script{flagged: flagged, bare: bare, flaggedSHA: sha(flagged), bareSHA: sha(bare)}
}

func mustRead(name string) string {
	source, err := fs.ReadFile(sources, "scripts/"+name+".lua")
	if err != nil {
		panic(err) // the binary was built without its scripts
	}
	return string(source)
}

func sha(source string) string {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // Redis names scripts by SHA-1
	return hex.EncodeToString(sum[:])
}

// run evaluates one script.
func (s *scripts) run(ctx context.Context, sc *script, keys []string, args ...any) (any, error) {
	results, err := s.runAll(ctx, []evaluation{{sc, keys, args}})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// result is what came of one evaluation.
type result struct {
	value any
	err   error
}

// runAll evaluates scripts one after the other in one round trip. After an error
// it is not known which of them ran.
func (s *scripts) runAll(ctx context.Context, evs []evaluation) ([]any, error) {
	results := s.runEach(ctx, evs)
	if err := firstError(results); err != nil {
		return nil, err
	}
	values := make([]any, len(evs))
	for i, r := range results {
		values[i] = r.value
	}
	return values, nil
}

func firstError(results []result) error {
	for _, r := range results {
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// runEach evaluates scripts one after the other in one round trip, or in a
// second one if the server did not know them. Each has a result of its own.
func (s *scripts) runEach(ctx context.Context, evs []evaluation) []result {
	results, unknown := s.send(ctx, evs)
	if !unknown {
		return results
	}
	if err := s.load(ctx); err != nil {
		for i := range results {
			if results[i].err != nil {
				results[i].err = err
			}
		}
		return results
	}
	todo, at := make([]evaluation, 0, len(evs)), make([]int, 0, len(evs))
	for i := range evs {
		if redis.HasErrorPrefix(results[i].err, "NOSCRIPT") {
			todo, at = append(todo, evs[i]), append(at, i)
		}
	}
	again, _ := s.send(ctx, todo)
	for k, i := range at {
		results[i] = again[k]
	}
	return results
}

// send evaluates scripts in one round trip. unknown: the server did not know one
// of them.
func (s *scripts) send(ctx context.Context, evs []evaluation) (results []result, unknown bool) {
	cmds := make([]*redis.Cmd, len(evs))
	if len(evs) == 1 && evs[0].script != nil {
		cmds[0] = s.redis.EvalSha(ctx, s.sha(evs[0].script), evs[0].keys, evs[0].args...)
	} else {
		pipe := s.redis.Pipeline()
		for i, ev := range evs {
			if ev.script == nil {
				cmds[i] = pipe.Do(ctx, ev.args...)
				continue
			}
			cmds[i] = pipe.EvalSha(ctx, s.sha(ev.script), ev.keys, ev.args...)
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
	}
	results = make([]result, len(evs))
	for i, cmd := range cmds {
		v, err := cmd.Result()
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		results[i] = result{v, err}
		unknown = unknown || redis.HasErrorPrefix(err, "NOSCRIPT")
	}
	return results, unknown
}

func (s *scripts) sha(sc *script) string {
	if s.plain.Load() {
		return sc.bareSHA
	}
	return sc.flaggedSHA
}

// load gives the server all scripts, so that it knows all or none.
func (s *scripts) load(ctx context.Context) error {
	err := s.loadAs(ctx, func(sc *script) string { return sc.flagged })
	if err != nil && !isConnection(err) && strings.Contains(err.Error(), "compiling") {
		s.plain.Store(true)
		err = s.loadAs(ctx, func(sc *script) string { return sc.bare })
	}
	return err
}

func (s *scripts) loadAs(ctx context.Context, form func(*script) string) error {
	pipe := s.redis.Pipeline()
	for _, sc := range s.all() {
		pipe.ScriptLoad(ctx, form(sc))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("load the scripts: %w", err)
	}
	return nil
}

// isConnection reports whether err came from the way to the server, so that it
// is not known what the server did. Otherwise the server answered it.
func isConnection(err error) bool {
	var answered redis.Error
	return err != nil && !errors.As(err, &answered)
}
