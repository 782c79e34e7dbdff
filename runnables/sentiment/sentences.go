package sentiment

import (
	"fmt"
	"strings"
	"sync"

	"github.com/neurosnap/sentences/english"
)

// splitter splits a text into its sentences. It may be called concurrently.
type splitter func(text string) []string

// sharedSplitter is the splitter of all instances: punkt (Kiss, T. and Strunk,
// J. (2006): Unsupervised Multilingual Sentence Boundary Detection), trained for
// English.
var sharedSplitter = sync.OnceValues(func() (splitter, error) {
	punkt, err := english.NewSentenceTokenizer(nil)
	if err != nil {
		return nil, fmt.Errorf("loading the sentence splitter: %w", err)
	}
	return func(text string) []string {
		if strings.TrimSpace(text) == "" {
			return nil // punkt makes one sentence of it
		}
		found := punkt.Tokenize(text)
		sentences := make([]string, len(found))
		for i, s := range found {
			sentences[i] = strings.TrimSpace(s.Text)
		}
		return sentences
	}, nil
})

// Sentences splits English text into its sentences, without the space between
// them. Text of white space only has none.
func Sentences(text string) ([]string, error) {
	split, err := sharedSplitter()
	if err != nil {
		return nil, err
	}
	return split(text), nil
}
