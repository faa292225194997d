package english

import (
	"fmt"
	"strconv"
	"strings"
)

// big are the words that may follow an amount of money.
var big = newChoice([]string{"hundred", "thousand", "million", "billion", "trillion"})

// letters that stand for some of them
var bigLetters = map[rune]string{'k': "thousand", 'm': "million", 'b': "billion"}

// bigWord reads hundred to trillion, or k, m, b, from i on, perhaps after a blank.
func bigWord(s []rune, i int) (string, int) {
	j := blank(s, i)
	if word, end := big.begin(s, j, func(int) bool { return true }); word != "" {
		return word, end
	}
	if r := at(s, j); isOneOf(r, "kKmMbB") && !wordAt(s, j+1) {
		return bigLetters[rune(strings.ToLower(string(r))[0])], j + 1
	}
	return "", i
}

// bigMoney: "$3.2 billion".
func (w *words) bigMoney(s []rune, i int) (string, int) {
	if !isOneOf(s[i], "$£€") {
		return "", i
	}
	n := amount(s, i+1)
	if n == i+1 {
		return "", i
	}
	word, end := bigWord(s, n)
	if word == "" {
		return "", i
	}
	return fmt.Sprintf("%s %s %s", string(s[i+1:n]), word, w.Currency[string(s[i])][1]), end
}

// cents: "50¢".
func (w *words) cents(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || !fresh(s, i) {
		return "", i
	}
	n := amount(s, i)
	end := blank(s, n)
	if at(s, end) != '¢' {
		return "", i
	}
	return string(s[i:n]) + " " + plural(string(s[i:n]), w.Currency["¢"]), end + 1
}

var currencies = newChoice([]string{"¥", "₹", "₩", "Rs", "Rs.", "USD", "EUR", "GBP"})

// money: "¥500", "USD 3 million".
func (w *words) money(s []rune, i int) (string, int) {
	if wordAt(s, i-1) {
		return "", i
	}
	name, from := currencies.begin(s, i, func(end int) bool { return isDigit(at(s, blank(s, end))) })
	if name == "" {
		return "", i
	}
	from = blank(s, from)
	end := amount(s, from)
	n, forms := string(s[from:end]), w.Currency[strings.TrimSuffix(name, ".")]
	if word, after := bigWord(s, end); word != "" {
		return fmt.Sprintf("%s %s %s", n, word, forms[1]), after
	}
	return n + " " + plural(n, forms), end
}

// degrees: "20°C".
func degrees(s []rune, i int) (string, int) {
	if s[i] != '-' && !isDigit(s[i]) || !fresh(s, i) {
		return "", i
	}
	n := signed(s, i)
	mark := blank(s, n)
	if n == i || at(s, mark) != '°' {
		return "", i
	}
	words := string(s[i:n]) + " " + plural(string(s[i:n]), [2]string{"degree", "degrees"})
	wide := blank(s, mark+1)
	for _, end := range []int{wide, mark + 1} {
		switch r := at(s, end); {
		case r == 'C' && !wordAt(s, end+1):
			return words + " Celsius", end + 1
		case r == 'F' && !wordAt(s, end+1):
			return words + " Fahrenheit", end + 1
		case !wordAt(s, end):
			return words, end
		}
	}
	return "", i
}

// unit: "5km".
func (w *words) unit(s []rune, i int) (string, int) {
	if s[i] != '-' && !isDigit(s[i]) || !fresh(s, i) {
		return "", i
	}
	n := signed(s, i)
	if n == i {
		return "", i
	}
	name, end := w.units.begin(s, blank(s, n), func(end int) bool { return !wordAt(s, end) })
	if name == "" {
		return "", i
	}
	return string(s[i:n]) + " " + plural(string(s[i:n]), w.Units[name]), end
}

// phone: "555-1234", digit by digit.
func phone(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || !fresh(s, i) || at(s, i-1) == '-' {
		return "", i
	}
	group := func(from, n int) int { // n digits and the dash before them
		if at(s, from) != '-' || exactly(s, from+1, n) == from+1 {
			return from
		}
		return from + 1 + n
	}
	start := exactly(s, i, 3)
	if start == i {
		return "", i
	}
	for _, from := range []int{group(start, 3), start} {
		end := group(from, 4)
		if end > from && !wordAt(s, end) && at(s, end) != '.' && at(s, end) != '-' {
			var b strings.Builder
			for _, r := range s[i:end] {
				if r == '-' {
					b.WriteString(",   ")
					continue
				}
				b.WriteRune(r)
				b.WriteByte(' ')
			}
			return strings.TrimSuffix(b.String(), " "), end
		}
	}
	return "", i
}

var fractionNames = strings.Fields("- - half third quarter fifth sixth seventh eighth ninth tenth")

// fraction: "3/4", or else a date without a year.
func (w *words) fraction(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || !fresh(s, i) || at(s, i-1) == '/' {
		return "", i
	}
	n := digits(s, i, 2)
	if at(s, n) != '/' {
		return "", i
	}
	end := digits(s, n+1, 2)
	if end == n+1 || wordAt(s, end) || at(s, end) == '.' || at(s, end) == '/' {
		return "", i
	}
	a, b := value(s[i:n]), value(s[n+1:end])
	switch {
	case a > 0 && a < b && b == 2:
		return "one half", end
	case a > 0 && a < b && b <= 10:
		name := strconv.Itoa(a) + " " + fractionNames[b]
		if a > 1 {
			name += "s"
		}
		return name, end
	case a >= 1 && a <= 12 && b >= 1 && b <= 31:
		return w.date("", a, b), end
	}
	return fmt.Sprintf("%d slash %d", a, b), end
}

// span: "2-3".
func span(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || !fresh(s, i) || at(s, i-1) == '-' {
		return "", i
	}
	n := digits(s, i, 4)
	dash := blank(s, n)
	if r := at(s, dash); r != '-' && r != '–' {
		return "", i
	}
	from := blank(s, dash+1)
	end := digits(s, from, 4)
	if end == from || wordAt(s, end) || isOneOf(at(s, end), ".-%") {
		return "", i
	}
	return string(s[i:n]) + " to " + string(s[from:end]), end
}

// romanParts are the digits of a roman numeral from hundreds down: two that stand
// for 9 and 4, the one for 5, and the one for 1.
var romanParts = []struct {
	nine, four string
	five, one  rune
	worth      int
}{{"CM", "CD", 'D', 'C', 100}, {"XC", "XL", 'L', 'X', 10}, {"IX", "IV", 'V', 'I', 1}}

// roman reads a numeral below 900 from i on, which ends a word.
func roman(s []rune, i int) (n, end int) {
	if !isOneOf(at(s, i), "IVXLC") {
		return 0, i
	}
	end = i
	for _, p := range romanParts {
		switch two := string(s[end:min(end+2, len(s))]); two {
		case p.nine:
			n, end = n+9*p.worth, end+2
			continue
		case p.four:
			n, end = n+4*p.worth, end+2
			continue
		}
		if at(s, end) == p.five {
			n, end = n+5*p.worth, end+1
		}
		for k := 0; k < 3 && at(s, end) == p.one; k++ {
			n, end = n+p.worth, end+1
		}
	}
	if wordAt(s, end) || isOneOf(at(s, end), ".'’") && wordAt(s, end+1) {
		return 0, i
	}
	return n, end
}

// romanAfter reads one of some words with a numeral after it.
func romanAfter(s []rune, i int, c choice) (name string, n, end int) {
	if !edge(s, i) {
		return "", 0, i
	}
	name, at0 := c.begin(s, i, func(end int) bool {
		_, stop := roman(s, end+1)
		return at(s, end) == ' ' && stop > end+1
	})
	if name == "" {
		return "", 0, i
	}
	n, end = roman(s, at0+1)
	return name, n, end
}

// romanCardinal: "Chapter IV".
func (w *words) romanCardinal(s []rune, i int) (string, int) {
	name, n, end := romanAfter(s, i, w.cardinal)
	if name == "" {
		return "", i
	}
	return name + " " + strconv.Itoa(n), end
}

// romanOrdinal: "Henry VIII".
func (w *words) romanOrdinal(s []rune, i int) (string, int) {
	name, n, end := romanAfter(s, i, w.ordinal)
	if name == "" {
		return "", i
	}
	return name + " the " + ordinal(strconv.Itoa(n)), end
}
