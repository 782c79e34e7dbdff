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

	accept, cut, finish, owned, release, cancel, sweep, bury, beat, stats, reply, read script
}

// script is one of them in both forms.
type script struct {
	flagged, bare       string
	flaggedSHA, bareSHA string
}

// evaluation is one run of a script.
type evaluation struct {
	script *script
	keys   []string
	args   []any
}

func newScripts(client *redis.Client) *scripts {
	s := &scripts{redis: client}
	lib := mustRead("lib")
	for name, of := range map[string]*script{
		"accept": &s.accept, "cut": &s.cut, "finish": &s.finish, "owned": &s.owned, "release": &s.release,
		"cancel": &s.cancel, "sweep": &s.sweep, "bury": &s.bury, "beat": &s.beat, "stats": &s.stats,
	} {
		*of = newScript(mustRead(name), lib)
	}
	s.reply, s.read = newScript(mustRead("reply"), ""), newScript(mustRead("read"), "")
	return s
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

// runAll evaluates scripts one after the other in one round trip, and in a
// second one those that the server did not know. After an error, which of them
// ran is not known.
func (s *scripts) runAll(ctx context.Context, evs []evaluation) ([]any, error) {
	results := make([]any, len(evs))
	todo := make([]int, len(evs))
	for i := range todo {
		todo[i] = i
	}
	for attempt := 0; len(todo) > 0; attempt++ {
		cmds, err := s.send(ctx, evs, todo)
		if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") && isConnection(err) {
			return nil, err
		}
		var unknown []int
		for k, i := range todo {
			v, err := cmds[k].Result()
			switch {
			case err == nil || errors.Is(err, redis.Nil):
				results[i] = v
			case redis.HasErrorPrefix(err, "NOSCRIPT") && attempt == 0:
				unknown = append(unknown, i)
			default:
				return nil, err //nolint:wrapcheck // callers say what was attempted
			}
		}
		if todo = unknown; len(todo) > 0 {
			if err := s.load(ctx, evs); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

func (s *scripts) send(ctx context.Context, evs []evaluation, todo []int) ([]*redis.Cmd, error) {
	cmds := make([]*redis.Cmd, len(todo))
	if len(todo) == 1 {
		ev := evs[todo[0]]
		cmds[0] = s.redis.EvalSha(ctx, s.sha(ev.script), ev.keys, ev.args...)
		return cmds, cmds[0].Err() //nolint:wrapcheck // callers say what was attempted
	}
	pipe := s.redis.Pipeline()
	for k, i := range todo {
		cmds[k] = pipe.EvalSha(ctx, s.sha(evs[i].script), evs[i].keys, evs[i].args...)
	}
	_, err := pipe.Exec(ctx)
	return cmds, err //nolint:wrapcheck // callers say what was attempted
}

func (s *scripts) sha(sc *script) string {
	if s.plain.Load() {
		return sc.bareSHA
	}
	return sc.flaggedSHA
}

// load gives the server the scripts of evs.
func (s *scripts) load(ctx context.Context, evs []evaluation) error {
	for _, ev := range evs {
		if !s.plain.Load() {
			err := s.redis.ScriptLoad(ctx, ev.script.flagged).Err()
			if err == nil {
				continue
			}
			if isConnection(err) {
				return fmt.Errorf("load a script: %w", err)
			}
			s.plain.Store(true)
		}
		if err := s.redis.ScriptLoad(ctx, ev.script.bare).Err(); err != nil {
			return fmt.Errorf("load a script: %w", err)
		}
	}
	return nil
}

// isConnection reports whether err came from the way to the server, so that it
// is not known what the server did. Otherwise the server answered it.
func isConnection(err error) bool {
	var answered redis.Error
	return err != nil && !errors.As(err, &answered)
}
