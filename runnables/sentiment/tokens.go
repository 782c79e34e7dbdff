package sentiment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word or emoticon of a text.
type token struct {
	*entry

	// upper: it is written in capitals only.
	upper bool

	// contracted: it has "n't" in it.
	contracted bool
}

// negation reports whether the token turns the words after it around.
func (t token) negation() bool { return t.negates || t.contracted }

// describeEmoji replaces each emoji by its description, as vaderSentiment does:
// with a space before it, unless there is one, and none after it.
func (l *lexicon) describeEmoji(text string) string {
	var b strings.Builder
	done := 0 // how much of text is in b
	afterSpace := true
	for i, r := range text {
		if r < utf8.RuneSelf {
			afterSpace = r == ' '
			continue
		}
		description, ok := l.emoji[r]
		if !ok {
			afterSpace = false
			continue
		}
		b.WriteString(text[done:i])
		if !afterSpace {
			b.WriteByte(' ')
		}
		b.WriteString(description)
		afterSpace = false
		done = i + utf8.RuneLen(r)
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// tokenize appends the tokens of text: what is between white space, without the
// punctuation around it if more than two characters are left.
func (l *lexicon) tokenize(tokens []token, text string) []token {
	for {
		text = strings.TrimLeftFunc(text, isSpace)
		if text == "" {
			return tokens
		}
		end := strings.IndexFunc(text, isSpace)
		if end < 0 {
			end = len(text)
		}
		raw := stripIfWord(text[:end])
		tokens = append(tokens, token{entry: l.find(raw), upper: isUpper(raw), contracted: isContracted(raw)})
		text = text[end:]
	}
}

// isSpace is Python's str.isspace for one character: Unicode's white space and
// four control characters.
func isSpace(r rune) bool {
	if r < utf8.RuneSelf {
		return r == ' ' || '\t' <= r && r <= '\r' || 0x1c <= r && r <= 0x1f
	}
	return unicode.IsSpace(r)
}

// stripIfWord strips ASCII punctuation from both ends, unless two or fewer
// characters are left: then it was likely an emoticon.
func stripIfWord(raw string) string {
	start, end := 0, len(raw)
	for start < end && isPunctuation(raw[start]) {
		start++
	}
	for end > start && isPunctuation(raw[end-1]) {
		end--
	}
	stripped := raw[start:end]
	// A character has at most four bytes.
	if len(stripped) <= 2*utf8.UTFMax && utf8.RuneCountInString(stripped) <= 2 {
		return raw
	}
	return stripped
}

// isPunctuation reports whether c is in Python's string.punctuation.
func isPunctuation(c byte) bool {
	return '!' <= c && c <= '/' || ':' <= c && c <= '@' || '[' <= c && c <= '`' || '{' <= c && c <= '~'
}

// isUpper is Python's str.isupper: there is a cased character, and none is of
// lower or title case.
func isUpper(raw string) bool {
	upper := false
	for _, r := range raw {
		switch {
		case 'A' <= r && r <= 'Z':
			upper = true
		case 'a' <= r && r <= 'z':
			return false
		case r < utf8.RuneSelf:
		case unicode.In(r, unicode.Lower, unicode.Other_Lowercase, unicode.Title):
			return false
		case unicode.In(r, unicode.Upper, unicode.Other_Uppercase):
			upper = true
		}
	}
	return upper
}

// isContracted reports whether raw has "n't" in it, in any case.
func isContracted(raw string) bool {
	for i := strings.IndexByte(raw, '\''); i >= 0; {
		if i > 0 && i+1 < len(raw) && raw[i-1]|0x20 == 'n' && raw[i+1]|0x20 == 't' {
			return true
		}
		next := strings.IndexByte(raw[i+1:], '\'')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// capitalsStandOut reports whether some tokens are written in capitals and some
// are not.
func capitalsStandOut(tokens []token) bool {
	upper := 0
	for _, t := range tokens {
		if t.upper {
			upper++
		}
	}
	return 0 < upper && upper < len(tokens)
}
