package sentiment_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/runnablestest"
	"github.com/ekiben/ekiben/runnables/sentiment"
	"github.com/ekiben/ekiben/tensor"
)

func scoreSample(texts ...string) runnablestest.Sample {
	return runnablestest.Sample{
		Method: "scores",
		Inputs: []tensor.Named{runnablestest.Strings("texts", []int{len(texts)}, texts...)},
	}
}

func positiveSample(text string, want bool) runnablestest.Sample {
	return runnablestest.Sample{
		Method: "is_positive",
		Inputs: []tensor.Named{runnablestest.Strings("input_text", nil, text)},
		Want:   []tensor.Named{runnablestest.Values(runnables.ResultName, nil, want)},
	}
}

func TestSentimentConforms(t *testing.T) {
	t.Parallel()
	known := scoreSample("BentoML is great", "")
	known.Want = []tensor.Named{runnablestest.Strings(runnables.ResultName, []int{2},
		`{"compound":0.6249,"pos":0.672,"neu":0.328,"neg":0}`, `{"compound":0,"pos":0,"neu":0,"neg":0}`)}
	runnablestest.Conform(t, sentiment.Kind(), nil, known,
		scoreSample("The food was awful!", "😀", "これは良い。", "not bad", "so\nso"),
		positiveSample("BentoML is great", true))
}

func TestIsPositiveAnswersForTheMeanOfTheSentences(t *testing.T) {
	t.Parallel()
	runnablestest.Conform(t, sentiment.Kind(), nil,
		scoreSample(""),
		positiveSample("I love it. It is the best! It broke once.", true),
		positiveSample("I hate it. It is nice.", false),
		// One long text would be taken for positive: the "but" halves what comes
		// before it. By sentence, the two awful ones weigh more.
		positiveSample("It is awful. It is horrible. But I love love love this great shop.", false),
		positiveSample("The door is open.", false),
		positiveSample("", false),
		positiveSample(" \n\t ", false),
		positiveSample("It is good. It is not bad. It is bad. Dr. Smith likes it!", true),
		positiveSample("Good. Not good. It rains.", true),
		positiveSample("Happy. Unhappy. Sad.", false))
}

func TestSentencesOfEnglishText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"Dr. Smith arrived. He was happy!": {"Dr. Smith arrived.", "He was happy!"},
		"":                                 {},
		" \n ":                             {},
		"no end":                           {"no end"},
		"Really?! Yes!! OK.":               {"Really?!", "Yes!!", "OK."},
		"It costs $5.50 a piece.  That is too much.\n":          {"It costs $5.50 a piece.", "That is too much."},
		"At 5 p.m. Mr. Brown left. At 6 a.m. he returned.":      {"At 5 p.m. Mr. Brown left.", "At 6 a.m. he returned."},
		"J. K. Rowling wrote it. It is good.":                   {"J. K. Rowling wrote it.", "It is good."},
		"Wait... what? No way.":                                 {"Wait... what?", "No way."},
		"She held it. \"Great!\" Then she left.":                {"She held it.", "\"Great!\"", "Then she left."},
		"Visit http://www.example.com/a.b?c=d. It is awesome!":  {"Visit http://www.example.com/a.b?c=d.", "It is awesome!"},
		"Line one is good.\nLine two is bad.\n\nThree is fine!": {"Line one is good.", "Line two is bad.", "Three is fine!"},
	} {
		got, err := sentiment.Sentences(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestSentimentHasNoParameters(t *testing.T) {
	t.Parallel()
	if _, err := sentiment.Kind().New(t.Context(), runnables.Setup{Runner: runnables.Runner{Init: runnables.Init{"language": "en"}}}); err == nil {
		t.Error("an unknown parameter was accepted")
	}
}

func TestAScoreIsWrittenWithTheNamesOfVader(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(sentiment.NewScorer().Score("good, but not bad"))
	if err != nil || string(raw) != `{"compound":0.6932,"pos":0.741,"neu":0.259,"neg":0}` {
		t.Errorf("got %s, %v", raw, err)
	}
}

func TestLongTextsAreScored(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"good but ", "bad good but no ", "not 😀", "'n't' ", "so"} {
		got := sentiment.NewScorer().Score(strings.Repeat(words, 100_000))
		if got.Compound < -1 || got.Compound > 1 {
			t.Errorf("%q scores %+v", words, got)
		}
	}
}

func FuzzScore(f *testing.F) {
	for _, text := range []string{"", "good", "NOT so 😍 good, but :) isn't", "no\x00no or\u2028bad", "kind of the shit!?", "\xff\xfe"} {
		f.Add(text)
	}
	s := sentiment.NewScorer()
	f.Fuzz(func(t *testing.T, text string) {
		got := s.Score(text)
		if got.Compound < -1 || got.Compound > 1 || min(got.Pos, got.Neu, got.Neg) < 0 {
			t.Errorf("%q scores %+v", text, got)
		}
		if sum := got.Pos + got.Neu + got.Neg; sum != 0 && (sum < 0.998 || sum > 1.002) {
			t.Errorf("%q has parts %+v, which do not add up", text, got)
		}
		if again := sentiment.NewScorer().Score(text); again != got {
			t.Errorf("%q scores %+v, then %+v", text, got, again)
		}
	})
}

func FuzzSentences(f *testing.F) {
	for _, text := range []string{"", "Dr. No. Yes!", "a.b.c. D", "。good！ x", "1. 2.) \"A.\" b", ". . .", "…\n\nA.-b."} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("texts are UTF-8")
		}
		got, err := sentiment.Sentences(text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(strings.Fields(strings.Join(got, " ")), "") != strings.Join(strings.Fields(text), "") {
			t.Errorf("%q lost something in %q", text, got)
		}
	})
}

func BenchmarkScores(b *testing.B) {
	texts := []string{
		"The rooms are lovely and clean, but the walls are thin and the street is noisy.",
		"We waited an hour for a table and the waiter was RUDE!! I won't be coming back.",
		"My grandmother baked the most wonderful apple pie for all of us 😍 last weekend.",
		"The train to Leeds leaves at nine from platform four, and it stops at Sheffield.",
	}
	s := sentiment.NewScorer()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Score(texts[i%len(texts)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "texts/s")
}

func BenchmarkScoresMethod(b *testing.B) {
	instance, err := sentiment.Kind().New(b.Context(), runnables.Setup{})
	if err != nil {
		b.Fatal(err)
	}
	const rows = 32
	text := "The rooms are lovely and clean, but the walls are thin and the street is noisy."
	in := runnablestest.Strings("texts", []int{rows}, slices.Repeat([]string{text}, rows)...)
	method := instance.Methods()[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := method.Run(b.Context(), []tensor.Tensor{in.Tensor}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "texts/s")
}
