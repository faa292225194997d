package english

import (
	"slices"
	"strings"
)

// moneyWords are the units of the currencies that stand before a number.
var moneyWords = map[string][2]string{"$": {"dollar", "cent"}, "£": {"pound", "pence"}, "€": {"euro", "cent"}}

var ordinalEnds = []string{"st", "nd", "rd", "th"}

// isNumber says whether a word is a number, with an ending perhaps: 1,234.5, 90s.
func isNumber(word string, head bool) bool {
	if !strings.ContainsAny(word, "0123456789") {
		return false
	}
	for _, end := range append([]string{"ing", "'d", "ed", "'s"}, append(ordinalEnds, "s")...) {
		if stem, ok := strings.CutSuffix(word, end); ok {
			word = stem
			break
		}
	}
	if head {
		word = strings.TrimPrefix(word, "-")
	}
	return strings.Trim(word, "0123456789,.") == "" && word != ""
}

// numberReader collects the words of a number.
type numberReader struct {
	l     *lexicon
	words []string
}

func (r *numberReader) add(word string, e emphasis) {
	if ps, ok := r.l.lookup(word, "", e, nil); ok {
		r.words = append(r.words, ps)
	}
}

// say adds number words, without and, which American numbers lack.
func (r *numberReader) say(words string) {
	for w := range strings.FieldsFuncSeq(words, func(c rune) bool { return c < 'a' || c > 'z' }) {
		switch w {
		case "and":
		case "point":
			r.add(w, bare)
		default:
			r.add(w, asIs)
		}
	}
}

func (r *numberReader) sayEach(digits string) {
	for _, d := range digits {
		r.say(cardinal(string(d)))
	}
}

// number reads a number. Those that begin a word are read as amounts, those inside
// one, such as in B52, in short groups.
func (l *lexicon) number(word, currency string, head bool) (string, bool) {
	stem := strings.TrimRight(word, "abcdefghijklmnopqrstuvwxyz'")
	suffix := word[len(stem):]
	r := &numberReader{l: l}
	if rest, ok := strings.CutPrefix(stem, "-"); ok {
		r.add("minus", asIs)
		stem = rest
	}
	if strings.Trim(stem, ",.") == "" {
		return "", false
	}
	_, money := moneyWords[currency]
	whole := every(stem, isASCIIDigit)
	digits := strings.ReplaceAll(stem, ",", "")
	points := strings.Count(stem, ".")
	switch {
	case whole && slices.Contains(ordinalEnds, suffix):
		r.say(ordinal(stem))
	case len(r.words) == 0 && len(stem) == 4 && !money && whole:
		r.say(year(stem))
	case !head && points == 0:
		r.short(digits)
	case points > 1 || !head:
		r.version(digits)
	case money && isAmount(stem):
		r.amount(digits, moneyWords[currency])
	case points == 0 && slices.Contains(ordinalEnds, suffix):
		r.say(ordinal(digits))
	case points == 0:
		r.say(cardinal(digits))
	case digits[0] == '.':
		r.say("point")
		r.sayEach(digits[1:])
	default:
		r.say(decimal(digits))
	}
	ps := strings.Join(r.words, " ")
	if ps == "" {
		return "", false
	}
	switch suffix {
	case "s", "'s":
		return addS(ps, true)
	case "ed", "'d":
		return addED(ps, true)
	case "ing":
		return addING(ps, true)
	}
	return ps, true
}

// short reads a number inside a word: 737 as seven thirty-seven.
func (r *numberReader) short(digits string) {
	switch {
	case digits[0] == '0' || len(digits) > 3:
		r.sayEach(digits)
	case len(digits) == 3 && digits[1:] != "00":
		r.say(cardinal(digits[:1]))
		if digits[1] == '0' {
			r.add("O", bare)
			r.say(cardinal(digits[2:]))
			return
		}
		r.say(cardinal(digits[1:]))
	default:
		r.say(cardinal(digits))
	}
}

// version reads the groups of a number with several points: 192.168.0.1.
func (r *numberReader) version(digits string) {
	for group := range strings.SplitSeq(digits, ".") {
		switch {
		case group == "":
		case group[0] == '0' || len(group) != 2 && strings.Trim(group[1:], "0") != "":
			r.sayEach(group)
		default:
			r.say(cardinal(group))
		}
	}
}

// isAmount says whether a number of money has no more than two places of cents.
func isAmount(word string) bool {
	_, cents, _ := strings.Cut(word, ".")
	return len(cents) < 3
}

// amount reads money: 3.50 as three dollars and fifty cents.
func (r *numberReader) amount(digits string, units [2]string) {
	whole, cents, both := strings.Cut(digits, ".")
	none := func(s string) bool { return strings.Trim(s, "0") == "" }
	one := func(n, unit string) {
		r.say(cardinal(n))
		if strings.TrimLeft(n, "0") == "1" || unit == "pence" {
			r.add(unit, asIs)
			return
		}
		if ps, ok := r.l.withS(unit+"s", "", asIs, nil); ok {
			r.words = append(r.words, ps)
		}
	}
	switch {
	case !both || none(cents):
		one(whole, units[0])
	case none(whole):
		one(cents, units[1])
	default:
		one(whole, units[0])
		r.add("and", asIs)
		one(cents, units[1])
	}
}

// withCurrency adds the unit to the last word of an amount, such as $5 million.
func (l *lexicon) withCurrency(ps, currency string) string {
	if units, ok := moneyWords[currency]; ok {
		if unit, ok := l.withS(units[0]+"s", "", asIs, nil); ok {
			return ps + " " + unit
		}
	}
	return ps
}
