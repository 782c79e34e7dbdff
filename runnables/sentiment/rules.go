package sentiment

// The constants of VADER. Hutto, C.J. and Gilbert, E.E. (2014): VADER: A
// Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text.
const (
	capitalsIncrease  = 0.733 // for a word in capitals among others that are not
	negationFactor    = -0.74
	neverSoFactor     = 1.25
	exclamationWeight = 0.292 // for each of the first 4 exclamation marks
	questionWeight    = 0.18  // for each of 2 or 3 question marks
	manyQuestions     = 0.96  // for more of them
	normalization     = 15    // approximates the largest expected square of a sum
)

// valences appends the valence of every token to dst.
//
// Products are converted to float64 wherever they are added to, which keeps a
// compiler from fusing the two operations: results are then those of Python on
// every machine.
func (l *lexicon) valences(dst []float64, tokens []token) []float64 {
	standOut := capitalsStandOut(tokens)
	for i, t := range tokens {
		kindOf := t.text == "kind" && i+1 < len(tokens) && tokens[i+1].text == "of"
		if !t.lexical || t.booster || kindOf {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, l.valence(tokens, i, standOut))
	}
	return dst
}

// valence is that of token i, which is lexical, with the tokens around it.
func (l *lexicon) valence(tokens []token, i int, standOut bool) float64 {
	t := tokens[i]
	v := t.valence
	if t.text == "no" && i+1 < len(tokens) && tokens[i+1].lexical {
		v = 0 // it negates what follows
	}
	if afterNo(tokens, i) {
		v = float64(t.valence * negationFactor)
	}
	if t.upper && standOut {
		v += awayFromZero(v, capitalsIncrease)
	}
	for distance := 1; distance <= 3 && distance <= i; distance++ {
		before := tokens[i-distance]
		if before.lexical {
			continue
		}
		v += float64(boost(before, v, standOut) * fading(distance))
		v = float64(v * negation(tokens, i, distance))
		if distance == 3 {
			v = l.phrases(v, tokens, i)
		}
	}
	if afterLeast(tokens, i) {
		v = float64(v * negationFactor)
	}
	return v
}

// afterNo: "no" is one or two words before, or three in "no … or good".
func afterNo(tokens []token, i int) bool {
	if i > 0 && tokens[i-1].text == "no" || i > 1 && tokens[i-2].text == "no" {
		return true
	}
	return i > 2 && tokens[i-3].text == "no" && (tokens[i-1].text == "or" || tokens[i-1].text == "nor")
}

// afterLeast: "least" is right before, but not in "at least" or "very least".
func afterLeast(tokens []token, i int) bool {
	if i == 0 || tokens[i-1].text != "least" {
		return false
	}
	return i == 1 || tokens[i-2].text != "at" && tokens[i-2].text != "very"
}

// awayFromZero is step with the sign of v. 0 counts as negative, as it does in
// vaderSentiment.
func awayFromZero(v, step float64) float64 {
	if v > 0 {
		return step
	}
	return -step
}

// boost is what a booster adds to a valence v behind it; 0 for other words.
func boost(t token, v float64, standOut bool) float64 {
	if !t.booster {
		return 0
	}
	b := t.boost
	if v < 0 {
		b = -b
	}
	if t.upper && standOut {
		b += awayFromZero(v, capitalsIncrease)
	}
	return b
}

// fading is how much of a booster is left at a distance in words.
func fading(distance int) float64 {
	switch distance {
	case 2:
		return 0.95
	case 3:
		return 0.9
	default:
		return 1
	}
}

// negation is the factor that the word at a distance before token i, and the
// words between, put on its valence.
func negation(tokens []token, i, distance int) float64 {
	before := tokens[i-distance]
	if distance > 1 {
		next, last := tokens[i-distance+1], tokens[i-1]
		switch {
		case neverSo(before, next, last, distance):
			return neverSoFactor
		case before.text == "without" && (next.text == "doubt" || last.text == "doubt"):
			return 1
		}
	}
	if before.negation() {
		return negationFactor
	}
	return 1
}

// neverSo: "never so good" and "never this good" are praise. At distance 3
// vaderSentiment also takes any word for "never" if "so" or "this" is the last
// word before; its operators bind that way.
func neverSo(before, next, last token, distance int) bool {
	never := before.text == "never"
	if distance == 3 && isSoOrThis(last) {
		return true
	}
	return never && isSoOrThis(next)
}

func isSoOrThis(t token) bool { return t.text == "so" || t.text == "this" }

// phrases looks for idioms around token i, whose valence replaces v, and for
// boosters of two words before it. i is at least 3.
func (l *lexicon) phrases(v float64, tokens []token, i int) float64 {
	before := [...]struct{ from, to int }{{i - 1, i}, {i - 2, i}, {i - 2, i - 1}, {i - 3, i - 1}, {i - 3, i - 2}}
	for _, span := range before {
		if idiom, ok := find(l.idioms, tokens, span.from, span.to); ok {
			v = idiom
			break
		}
	}
	for to := i + 1; to <= i+2; to++ {
		if idiom, ok := find(l.idioms, tokens, i, to); ok {
			v = idiom
		}
	}
	for _, span := range before[2:] {
		if b, ok := find(l.boosters, tokens, span.from, span.to); ok {
			v += b
		}
	}
	return v
}

// find looks the tokens from … to up, both included.
func find(phrases map[phrase]float64, tokens []token, from, to int) (float64, bool) {
	if to >= len(tokens) {
		return 0, false
	}
	var p phrase
	for j, t := range tokens[from : to+1] {
		if !t.inPhrase {
			return 0, false
		}
		p[j] = t.text
	}
	v, ok := phrases[p]
	return v, ok
}
