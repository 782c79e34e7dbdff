package sentiment

import (
	"math"
	"strconv"
	"strings"
)

// Score is the sentiment of a text as VADER sees it.
type Score struct {
	// Compound is the sentiment as a whole, from -1 to 1, with 4 decimals.
	Compound float64 `json:"compound"`

	// Pos, Neu and Neg are the parts of the text that are positive, neutral and
	// negative, with 3 decimals. They add up to 1 but for rounding, or are all 0
	// for a text without words.
	Pos float64 `json:"pos"`
	Neu float64 `json:"neu"`
	Neg float64 `json:"neg"`
}

// Scorer scores texts like vaderSentiment 3.3.2 for Python. It keeps memory
// from one text to the next and belongs to one goroutine.
type Scorer struct {
	lexicon  *lexicon
	tokens   []token
	valences []float64
}

// keepTokens bounds the memory that a Scorer keeps, in tokens.
const keepTokens = 1 << 14

// NewScorer makes a Scorer. The first one of a process loads the lexicon, which
// all share.
func NewScorer() *Scorer { return &Scorer{lexicon: sharedLexicon()} }

// Score scores one text, of any length. The time it takes grows with n log n.
func (s *Scorer) Score(text string) Score {
	text = s.lexicon.describeEmoji(text)
	s.tokens = s.lexicon.tokenize(s.tokens[:0], text)
	s.valences = s.lexicon.valences(s.valences[:0], s.tokens)
	weighBut(s.tokens, s.valences)
	score := combine(s.valences, emphasis(text))
	if cap(s.tokens) > keepTokens {
		s.tokens, s.valences = nil, nil
	}
	return score
}

// combine makes the score of a text of its valences and its emphasis.
func combine(valences []float64, emphasis float64) Score {
	if len(valences) == 0 {
		return Score{}
	}
	var sum, pos, neg, neu float64
	for _, v := range valences {
		sum += v
		switch {
		case v > 0:
			pos += v + 1 // a neutral word counts 1
		case v < 0:
			neg -= v - 1
		default:
			neu++
		}
	}
	if sum != 0 {
		sum += math.Copysign(emphasis, sum)
	}
	if pos > neg {
		pos += emphasis
	} else if pos < neg {
		neg += emphasis
	}
	total := pos + neg + neu
	return Score{
		Compound: round(sum/math.Sqrt(float64(sum*sum)+normalization), 4),
		Pos:      round(pos/total, 3),
		Neu:      round(neu/total, 3),
		Neg:      round(neg/total, 3),
	}
}

// emphasis is what exclamation and question marks add.
func emphasis(text string) float64 {
	amplifier := float64(float64(min(strings.Count(text, "!"), 4)) * exclamationWeight)
	switch n := strings.Count(text, "?"); {
	case n > 3:
		return amplifier + manyQuestions
	case n > 1:
		return amplifier + float64(float64(n)*questionWeight)
	default:
		return amplifier
	}
}

// round is Python's round: to the nearest decimal of the exact binary value,
// halves to even. It never returns -0.
func round(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	scaled := v * scale
	whole := math.Round(scaled)
	if math.Abs(math.Abs(scaled-whole)-0.5) < 1e-6 {
		// So near a half, scaling may have crossed it.
		exact, err := strconv.ParseFloat(strconv.FormatFloat(v, 'f', decimals, 64), 64)
		if err == nil {
			return exact + 0
		}
	}
	return whole/scale + 0
}
