package queue

import (
	"errors"
	"strings"
	"testing"
)

func TestKeysAreThoseOfTheTable(t *testing.T) {
	t.Parallel()

	k := keys{"ekiben"}
	for got, want := range map[string]string{
		k.runners():             "ekiben:runners",
		k.schedules():           "ekiben:{schedules}:records",
		k.scheduleInputs():      "ekiben:{schedules}:inputs",
		k.calls("ocr", 1):       "ekiben:{ocr~0}:calls:high",
		k.calls("ocr", 2):       "ekiben:{ocr~0}:calls:normal",
		k.calls("ocr", 3):       "ekiben:{ocr~0}:calls:low",
		k.meter("ocr"):          "ekiben:{ocr~0}:meter",
		k.due("ocr"):            "ekiben:{ocr~0}:due",
		k.running("ocr"):        "ekiben:{ocr~0}:running",
		k.crashes("ocr"):        "ekiben:{ocr~0}:crashes",
		k.bell("ocr"):           "ekiben:{ocr~0}:bell",
		k.dead("ocr"):           "ekiben:{ocr~0}:dead",
		k.job("ocr", "ocr~0~x"): "ekiben:{ocr~0}:job:ocr~0~x",
		k.body("ocr", "y"):      "ekiben:{ocr~0}:body:y",
		k.spec("ocr"):           "ekiben:{ocr~0}:spec",
		k.workers("ocr"):        "ekiben:{ocr~0}:workers",
		k.beats("ocr"):          "ekiben:{ocr~0}:beats",
		k.replies("gw"):         "ekiben:{gw~gw}:replies",
		k.replyBytes("gw"):      "ekiben:{gw~gw}:bytes",
		k.batches():             "ekiben:batches",
		k.openBatches():         "ekiben:batches:open",
		k.batch("b"):            "ekiben:{batch~b}:batch",
	} {
		if got != want {
			t.Errorf("key %s, want %s", got, want)
		}
	}
}

// The order is that of the constants in scripts/lib.lua, which take their names
// from here.
func TestScriptsAreGivenTheKeysThatTheyName(t *testing.T) {
	t.Parallel()

	got := keys{"p"}.shardKeys("r")
	names := []string{
		"calls:high", "calls:normal", "calls:low", "meter", "due", "running", "crashes",
		"bell", "dead", "workers", "beats", "callers", "canceled", "jobs", "kept", "later", "errands", "job:", "body:",
	}
	if len(got) != len(names) {
		t.Fatalf("%d keys, want %d", len(got), len(names))
	}
	for i, name := range names {
		if want := "p:{r~0}:" + name; got[i] != want {
			t.Errorf("key %d is %s, want %s", i+1, got[i], want)
		}
	}
	lib := mustRead("lib")
	const order = "local METER, DUE, RUNNING, CRASHES, BELL, DEAD, WORKERS, BEATS, CALLERS, CANCELED, JOBS, KEPT, LATER, ERRANDS, JOB, BODY =\n" +
		"\tKEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16], KEYS[17], KEYS[18]"
	if !strings.Contains(lib, order) {
		t.Error("scripts/lib.lua does not name the keys in this order")
	}
}

func TestIDsKnowTheirRunner(t *testing.T) {
	t.Parallel()

	for id, want := range map[string]string{
		NewID("ocr"): "ocr", NewID("a.b-c_d"): "a.b-c_d", "ocr~0~x": "ocr", "ocr~0~x~y": "ocr",
		"": "", "ocr": "", "ocr~0": "", "ocr~0~": "", "~0~x": "", "ocr~1~x": "", "ocr~00~x": "",
		"o{cr~0~x": "", "ocr~0~x}": "", "ocr~0~x:y": "", "ocr~0~x y": "", "ocr~0~x\n": "", "ocr~0~\x00": "", "ocr~0~é": "",
	} {
		got, err := RunnerOf(id)
		if got != want || (err == nil) != (want != "") || (err != nil && !errors.Is(err, ErrUnknownJob)) {
			t.Errorf("RunnerOf(%q) = %q, %v; want %q", id, got, err, want)
		}
	}
	if a, b := NewID("a"), NewID("a"); a == b {
		t.Error("two ids are equal")
	}
}

func FuzzRunnerOf(f *testing.F) {
	for _, id := range []string{NewID("ocr"), "", "~~", "a~0~{b}", "a~0~b:c"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		runner, err := RunnerOf(id)
		if err != nil {
			return
		}
		key := keys{"p"}.job(runner, id)
		if !strings.HasPrefix(id, runner+"~"+shard+"~") || strings.Count(key, "{") != 1 || strings.Count(key, "}") != 1 ||
			strings.Count(key, ":") != 3 || !strings.HasSuffix(key, id) {
			t.Errorf("RunnerOf(%q) = %q, which gives the key %q", id, runner, key)
		}
	})
}

func FuzzMarkOf(f *testing.F) {
	for _, s := range []string{"", "?", mark{1, "ocr~0~x"}.String(), mark{-1, " "}.String()} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		m, err := markOf(cursor)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("markOf(%q) = %v", cursor, err)
			}
			return
		}
		if again, err := markOf(m.String()); err != nil || again != m {
			t.Errorf("%+v is read as %+v, %v", m, again, err)
		}
	})
}

func FuzzBesideOf(f *testing.F) {
	for _, s := range []string{"", "1 5 1 2 3   ", "1 5 1 2 3 100@x ocr~0~y g h", "1 2 3", "x -1 9999999999999999999 2 3 a b c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, m string) {
		b, err := besideOf(m)
		if (err == nil) != (strings.Count(m, " ") >= 7) {
			t.Errorf("besideOf(%q) = %+v, %v", m, b, err)
		}
		if err == nil && !strings.HasSuffix(m, b.share+" "+b.job+" "+b.group) {
			t.Errorf("besideOf(%q) = %+v", m, b)
		}
	})
}
