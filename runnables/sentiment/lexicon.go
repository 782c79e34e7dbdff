package sentiment

import (
	"strings"
	"sync"

	"github.com/jonreiter/govader"
)

// entry is what VADER knows of a word, written in lower case. Words that it
// knows nothing of share one empty entry.
type entry struct {
	text string

	// lexical words have a valence of their own; it may be 0.
	lexical bool
	valence float64

	// Boosters strengthen or weaken the words after them by boost.
	booster bool
	boost   float64

	// negates turns the words after it around.
	negates bool

	// inPhrase words are part of a phrase.
	inPhrase bool
}

// phrase is two words, and "" in third place, or three.
type phrase [3]string

// lexicon is what VADER knows. It does not change once made.
type lexicon struct {
	entries map[string]*entry
	unknown *entry
	longest int // bytes of the longest word

	// idioms are phrases with a valence that replaces that of their words.
	idioms map[phrase]float64
	// boosters are phrases that change the valence of the word after them.
	boosters map[phrase]float64

	// emoji are the descriptions that emoji are replaced with before anything
	// else happens.
	emoji map[rune]string
}

// sharedLexicon is the lexicon of all instances.
var sharedLexicon = sync.OnceValue(newLexicon)

// newLexicon takes the words, emoji and lists from govader, which has those of
// an older state of vaderSentiment; what 3.3.2 added since is added here. The
// scoring is not govader's: it is different in many places, see
// testdata/README.md.
func newLexicon() *lexicon {
	source := govader.NewSentimentIntensityAnalyzer()
	l := &lexicon{
		entries:  make(map[string]*entry, len(source.Lexicon)+len(source.Constants.BoosterDict)),
		unknown:  &entry{},
		idioms:   map[phrase]float64{},
		boosters: map[phrase]float64{},
		emoji:    map[rune]string{},
	}
	source.Lexicon["heart"] = 3.2
	source.Lexicon["hearts"] = 3.3
	source.Constants.SpecialCaseIdioms["bus stop"] = 0
	source.Constants.SpecialCaseIdioms["beating heart"] = 3.5

	for text, valence := range source.Lexicon {
		// vaderSentiment looks words up in lower case, so that it never finds a
		// word that is not (":D", "d-:" is found). Words with spaces are not
		// found either, since no token has one.
		if text == strings.ToLower(text) && !strings.Contains(text, " ") {
			e := l.word(text)
			e.lexical, e.valence = true, valence
		}
	}
	for text, boost := range source.Constants.BoosterDict {
		if strings.Contains(text, " ") {
			l.addPhrase(l.boosters, text, boost)
			continue
		}
		e := l.word(text)
		e.booster, e.boost = true, boost
	}
	for _, text := range source.Constants.NegateList {
		l.word(text).negates = true
	}
	for text, valence := range source.Constants.SpecialCaseIdioms {
		l.addPhrase(l.idioms, text, valence)
	}
	for _, text := range contextWords() {
		l.word(text)
	}
	for text, description := range source.EmojiDict {
		// vaderSentiment looks up code points, so that it never finds an emoji
		// of several.
		if runes := []rune(text); len(runes) == 1 {
			l.emoji[runes[0]] = description
		}
	}
	return l
}

// contextWords are the words that rules name.
func contextWords() []string {
	return []string{"no", "or", "nor", "kind", "of", "never", "so", "this", "without", "doubt", "least", "at", "very", "but"}
}

// word returns the entry of a word in lower case, which it adds if it is new.
func (l *lexicon) word(text string) *entry {
	e, ok := l.entries[text]
	if !ok {
		e = &entry{text: text}
		l.entries[text] = e
		l.longest = max(l.longest, len(text))
	}
	return e
}

func (l *lexicon) addPhrase(to map[phrase]float64, text string, value float64) {
	var p phrase
	if n := copy(p[:], strings.Fields(text)); n < 2 {
		return // phrases are only looked up from two words on
	}
	for _, w := range p {
		if w != "" {
			l.word(w).inPhrase = true
		}
	}
	to[p] = value
}

// find returns the entry of a token in any case.
func (l *lexicon) find(token string) *entry {
	var buf [64]byte
	lower, ok := appendLower(buf[:0], token, l.longest)
	if !ok {
		return l.unknown
	}
	if e := l.entries[string(lower)]; e != nil {
		return e
	}
	return l.unknown
}

// appendLower appends the token in lower case. It returns false when the token
// cannot be one of the words, which are ASCII and have at most so many bytes.
func appendLower(dst []byte, token string, longest int) ([]byte, bool) {
	const kelvin = '\u212a' // the only code point beyond ASCII whose lower case is ASCII
	for _, r := range token {
		switch {
		case len(dst) == longest:
			return nil, false
		case 'A' <= r && r <= 'Z':
			dst = append(dst, byte(r)+'a'-'A')
		case r < 0x80:
			dst = append(dst, byte(r))
		case r == kelvin:
			dst = append(dst, 'k')
		default:
			return nil, false
		}
	}
	return dst, true
}
