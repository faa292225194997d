package english

import (
	"strings"
)

// A rule says what is read instead of the text that begins at rune i of s, and
// where that text ends; the end is i if the rule has nothing to say there.
type rule func(s []rune, i int) (string, int)

// rewrite applies a rule from left to right; what it wrote it does not read again.
func rewrite(s []rune, r rule) []rune {
	var out []rune
	done := 0
	for i := 0; i < len(s); {
		with, end := r(s, i)
		if end == i {
			i++
			continue
		}
		out = append(append(out, s[done:i]...), []rune(with)...)
		done, i = end, end
	}
	if done == 0 {
		return s
	}
	return append(out, s[done:]...)
}

// oneSpace makes each run of white space one blank, and trims the ends.
func oneSpace(s string) string { return strings.Join(strings.FieldsFunc(s, isSpace), " ") }

var plainMarks = strings.NewReplacer("’", "'", "‒", "-", "―", "—")

// normalize writes out what the lexicon cannot read: times, dates, units,
// abbreviations, most currencies, symbols. It leaves plain numbers, and amounts in
// dollars, pounds and euros.
func (w *words) normalize(text string) string {
	if text = oneSpace(text); text == "" {
		return ""
	}
	s := []rune(plainMarks.Replace(text))
	for _, r := range []rule{
		clock, w.dateISO, w.dateUS, w.bigMoney, w.cents, w.money, degrees, w.unit, w.monthDay, w.dayMonth,
		w.title, w.abbreviation, numero, hash, w.romanCardinal, w.romanOrdinal, phone, w.fraction, span, plus,
	} {
		s = rewrite(s, r)
	}
	for _, symbol := range w.Symbols {
		s = rewrite(s, symbolRule([]rune(symbol[0])[0], symbol[1]))
	}
	return oneSpace(string(rewrite([]rune(oneSpace(string(s))), loose)))
}

// digits returns the end of at most so many decimal digits of s from i on.
func digits(s []rune, i, most int) int {
	for end := i; ; end++ {
		if end == i+most || !isDigit(at(s, end)) {
			return end
		}
	}
}

// exactly returns the end of so many digits from i on, or i if there are fewer.
func exactly(s []rune, i, n int) int {
	if end := digits(s, i, n); end == i+n {
		return end
	}
	return i
}

// amount returns the end of a number such as 1,234.5 that begins at i, or i.
func amount(s []rune, i int) int {
	end := digits(s, i, len(s))
	if end == i {
		return i
	}
	for at(s, end) == ',' && exactly(s, end+1, 3) > end+1 {
		end += 4
	}
	if at(s, end) == '.' {
		if more := digits(s, end+1, len(s)); more > end+1 {
			return more
		}
	}
	return end
}

// signed is amount with a minus before it, perhaps.
func signed(s []rune, i int) int {
	if at(s, i) == '-' {
		if end := amount(s, i+1); end > i+1 {
			return end
		}
		return i
	}
	return amount(s, i)
}

// value is what a few digits mean.
func value(s []rune) int { return small(string(s)) }

// blank returns i+1 if rune i is a blank, else i.
func blank(s []rune, i int) int {
	if isSpace(at(s, i)) {
		return i + 1
	}
	return i
}

func space(s []rune, i int) int {
	if at(s, i) == ' ' {
		return i + 1
	}
	return i
}

// fresh says whether neither a word nor a point is before rune i.
func fresh(s []rune, i int) bool { return !wordAt(s, i-1) && at(s, i-1) != '.' }

// isOneOf says whether r is a rune of set.
func isOneOf(r rune, set string) bool { return r != none && strings.ContainsRune(set, r) }

// plural picks the word for an amount.
func plural(n string, forms [2]string) string {
	switch strings.ReplaceAll(n, ",", "") {
	case "1", "1.0", "-1":
		return forms[0]
	}
	return forms[1]
}

// title: "St Paul" and "Dr. Smith".
func (w *words) title(s []rune, i int) (string, int) {
	if !edge(s, i) {
		return "", i
	}
	after := func(end int) int {
		if at(s, end) == '.' {
			end++
		}
		if r := at(s, end+1); at(s, end) == ' ' && r >= 'A' && r <= 'Z' {
			return end + 1
		}
		return 0
	}
	name, end := w.titles.begin(s, i, func(end int) bool { return after(end) > 0 })
	if name == "" {
		return "", i
	}
	return w.Titles[name] + " ", after(end)
}

// abbreviation: "approx." and "w/".
func (w *words) abbreviation(s []rune, i int) (string, int) {
	if !fresh(s, i) {
		return "", i
	}
	name, end := w.abbrev.begin(s, i, func(end int) bool { return !wordAt(s, end) })
	if name == "" {
		return "", i
	}
	full := w.Abbrev[name]
	if end == len(s) && strings.HasSuffix(name, ".") {
		full += "."
	}
	return full, end
}

// numero: "No. 5".
func numero(s []rune, i int) (string, int) {
	if at(s, i) != 'N' || at(s, i+1) != 'o' || wordAt(s, i-1) {
		return "", i
	}
	end, word := i+2, "Number "
	if at(s, end) == 's' {
		end, word = end+1, "Numbers "
	}
	if at(s, end) != '.' {
		return "", i
	}
	if end = space(s, end+1); !isDigit(at(s, end)) {
		return "", i
	}
	return word, end
}

// hash: "#5".
func hash(s []rune, i int) (string, int) {
	if at(s, i) != '#' || wordAt(s, i-1) || at(s, i-1) == '&' || !isDigit(at(s, i+1)) {
		return "", i
	}
	return "number ", i + 1
}

// plus: "+5".
func plus(s []rune, i int) (string, int) {
	if at(s, i) != '+' || wordAt(s, i-1) || at(s, i-1) == '+' || !isDigit(at(s, i+1)) {
		return "", i
	}
	return "plus ", i + 1
}

// symbolRule reads a symbol as a word. Those of comparison are only read between
// two things.
func symbolRule(symbol rune, word string) rule {
	if word != "" {
		word = " " + word
	}
	word += " "
	between := isOneOf(symbol, "=<>~")
	return func(s []rune, i int) (string, int) {
		if !between {
			if s[i] == symbol {
				return word, i + 1
			}
			return "", i
		}
		if s[i] != symbol && s[i] != ' ' || i == 0 || isSpace(s[i-1]) {
			return "", i
		}
		j := space(s, i)
		if at(s, j) != symbol {
			return "", i
		}
		if end := space(s, j+1); end < len(s) && !isSpace(s[end]) {
			return word, end
		}
		return "", i
	}
}

// loose removes blanks before marks.
func loose(s []rune, i int) (string, int) {
	if s[i] != ' ' {
		return "", i
	}
	end := i
	for at(s, end) == ' ' {
		end++
	}
	if isOneOf(at(s, end), ",.;:!?") {
		return "", end
	}
	return "", i
}
