package english

import "strings"

// Numbers in words, as num2words writes English ones: cardinals, ordinals, years
// and decimals. Numbers are ASCII digits of any length.

var (
	ones = strings.Fields("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
	tens = strings.Fields("- - twenty thirty forty fifty sixty seventy eighty ninety")
	// scales are the names of the powers of a thousand.
	scales = strings.Fields("- thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion")
	// irregular are ordinals that are not the cardinal with -th.
	irregular = map[string]string{
		"one": "first", "two": "second", "three": "third", "five": "fifth",
		"eight": "eighth", "nine": "ninth", "twelve": "twelfth",
	}
)

// hundreds is 0 to 999 in words.
func hundreds(n int) string {
	var words []string
	if n >= 100 {
		words = append(words, ones[n/100], "hundred")
		if n %= 100; n == 0 {
			return strings.Join(words, " ")
		}
		words = append(words, "and")
	}
	switch {
	case n < 20:
		words = append(words, ones[n])
	case n%10 == 0:
		words = append(words, tens[n/10])
	default:
		words = append(words, tens[n/10]+"-"+ones[n%10])
	}
	return strings.Join(words, " ")
}

// small is the value of at most nine digits.
func small(digits string) int {
	n := 0
	for _, r := range digits {
		n = 10*n + digitOf(r)
	}
	return n
}

// cardinal: 1234 is "one thousand, two hundred and thirty-four". Numbers beyond
// the decillions are read digit by digit.
func cardinal(digits string) string {
	digits = strings.TrimLeft(digits, "0")
	if len(digits) > 3*len(scales) {
		return spelled(digits)
	}
	if len(digits) <= 3 {
		return hundreds(small(digits))
	}
	var groups []string
	last := 0 // the value of the last group, if it has no scale
	for scale := (len(digits) - 1) / 3; scale >= 0; scale-- {
		cut := len(digits) - 3*scale
		n := small(digits[:cut])
		digits = digits[cut:]
		if n == 0 {
			continue
		}
		words := hundreds(n)
		if scale > 0 {
			words += " " + scales[scale]
		} else {
			last = n
		}
		groups = append(groups, words)
	}
	if n := len(groups) - 1; n > 0 && last > 0 && last < 100 {
		return strings.Join(groups[:n], ", ") + " and " + groups[n]
	}
	return strings.Join(groups, ", ")
}

// spelled is each digit in words.
func spelled(digits string) string {
	words := make([]string, 0, len(digits))
	for _, r := range digits {
		words = append(words, ones[digitOf(r)])
	}
	return strings.Join(words, " ")
}

// ordinal: 23 is "twenty-third".
func ordinal(digits string) string {
	words := cardinal(digits)
	cut := strings.LastIndexAny(words, " -") + 1
	return words[:cut] + ordinalWord(words[cut:])
}

func ordinalWord(w string) string {
	if o, ok := irregular[w]; ok {
		return o
	}
	if stem, ok := strings.CutSuffix(w, "y"); ok {
		return stem + "ieth"
	}
	return w + "th"
}

// year: four digits such as 1905 are "nineteen oh-five".
func year(digits string) string {
	n := small(digits)
	high, low := digits[:2], n%100
	switch {
	case n < 100, n/100%10 == 0 && low < 10:
		return cardinal(digits)
	case low == 0:
		return cardinal(high) + " hundred"
	case low < 10:
		return cardinal(high) + " oh-" + ones[low]
	}
	return cardinal(high) + " " + cardinal(digits[2:])
}

// decimal: 3.140 is "three point one four".
func decimal(s string) string {
	whole, part, _ := strings.Cut(s, ".")
	words := cardinal(whole)
	if part = strings.TrimRight(part, "0"); part != "" {
		words += " point " + spelled(part)
	}
	return words
}
