package english

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

//go:embed data/words.json
var wordsFile []byte

//go:embed data/LICENSE.spacy
var license string

// License is the licence of what spaCy gave to the data. That of the rest is the
// voice's own.
func License() string { return license }

// words are the tables that normalisation, tokens and tags need.
type words struct {
	Months   map[string]string    `json:"months"`        // jan: January
	Titles   map[string]string    `json:"titles"`        // Dr: Dr, St: Saint
	Abbrev   map[string]string    `json:"abbreviations"` // approx.: approximately
	Units    map[string][2]string `json:"units"`         // km: kilometer, kilometers
	Symbols  [][2]string          `json:"symbols"`       // =: equals
	Currency map[string][2]string `json:"currency"`      // ¥: yen, yen
	Cardinal []string             `json:"roman_cardinal"`
	Ordinal  []string             `json:"roman_ordinal"`
	Tags     []string             `json:"tags"`
	Special  map[string][]string  `json:"special"` // don't: do, n't

	months, titles, abbrev, units, cardinal, ordinal choice
	longest                                          int // special text, in runes
}

func readWords(data []byte) (*words, error) {
	w := &words{}
	if err := json.Unmarshal(data, w); err != nil {
		return nil, fmt.Errorf("the table of words inside the program is damaged: %w", err)
	}
	months := []string{"Sept"}
	for short, long := range w.Months {
		months = append(months, long, title(short))
	}
	w.months = newChoice(months)
	w.titles, w.abbrev, w.units = newChoice(keys(w.Titles)), newChoice(keys(w.Abbrev)), newChoice(keys(w.Units))
	w.cardinal, w.ordinal = newChoice(w.Cardinal), newChoice(w.Ordinal)
	for s := range w.Special {
		w.longest = max(w.longest, utf8.RuneCountInString(s))
	}
	return w, nil
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}

// choice is a set of words by their first rune, the longest first.
type choice map[rune][][]rune

func newChoice(list []string) choice {
	c := choice{}
	slices.Sort(list)
	for _, s := range slices.Compact(list) {
		r := []rune(s)
		c[r[0]] = append(c[r[0]], r)
	}
	for _, set := range c {
		slices.SortStableFunc(set, func(a, b []rune) int { return len(b) - len(a) })
	}
	return c
}

// begin returns the longest word that s has at i and that fits, and its end, or "".
func (c choice) begin(s []rune, i int, fits func(end int) bool) (string, int) {
	if i < 0 || i >= len(s) {
		return "", i
	}
	for _, w := range c[s[i]] {
		if end := i + len(w); end <= len(s) && slices.Equal(s[i:end], w) && fits(end) {
			return string(w), end
		}
	}
	return "", i
}

// month returns the full name of a month that may be shortened.
func (w *words) month(name string) string {
	return w.Months[strings.ToLower(name)[:3]]
}

// monthName is the name of month 1 to 12.
func (w *words) monthName(n int) string {
	return w.Months[[]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}[n-1]]
}
