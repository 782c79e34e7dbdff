package sentiment

import (
	"fmt"
	"strings"
)

// Tables lists what the lexicon knows, a line an entry, as make_reference.py
// does.
func Tables() []string {
	l := newLexicon()
	var lines []string
	for text, e := range l.entries {
		if e.lexical {
			lines = append(lines, fmt.Sprintf("word %s %.6f", text, e.valence))
		}
		if e.booster {
			lines = append(lines, fmt.Sprintf("booster %s %.6f", text, e.boost))
		}
		if e.negates {
			lines = append(lines, "negation "+text)
		}
	}
	for p, v := range l.idioms {
		lines = append(lines, fmt.Sprintf("idiom %s %.6f", strings.TrimSpace(strings.Join(p[:], " ")), v))
	}
	for p, v := range l.boosters {
		lines = append(lines, fmt.Sprintf("booster %s %.6f", strings.TrimSpace(strings.Join(p[:], " ")), v))
	}
	for r, description := range l.emoji {
		lines = append(lines, fmt.Sprintf("emoji %c %s", r, description))
	}
	return lines
}
