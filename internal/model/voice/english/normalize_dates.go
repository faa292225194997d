package english

import (
	"fmt"
	"strconv"
)

// clock: "9:30am", "17:05:09".
func clock(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || wordAt(s, i-1) {
		return "", i
	}
	h := digits(s, i, 2)
	if at(s, h) != ':' {
		return "", i
	}
	m := exactly(s, h+1, 2)
	if m == h+1 {
		return "", i
	}
	ends := []int{m}
	if sec := exactly(s, m+1, 2); at(s, m) == ':' && sec > m+1 {
		ends = []int{sec, m}
	}
	for _, end := range ends {
		if half, after := halfOfDay(s, end); half != "" {
			return timeWords(s[i:h], s[h+1:m], s[m:end], half, s, i, after), after
		}
		if !isDigit(at(s, end)) {
			return timeWords(s[i:h], s[h+1:m], s[m:end], "", s, i, end), end
		}
	}
	return "", i
}

// halfOfDay reads am or pm, perhaps after a blank and with points.
func halfOfDay(s []rune, i int) (half string, end int) {
	j := blank(s, i)
	switch at(s, j) {
	case 'a', 'A':
		half = "A"
	case 'p', 'P':
		half = "P"
	default:
		return "", i
	}
	if j++; at(s, j) == '.' {
		j++
	}
	if at(s, j) != 'm' && at(s, j) != 'M' {
		return "", i
	}
	j++
	letter := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
	if at(s, j) == '.' && !letter(at(s, j+1)) && !isDigit(at(s, j+1)) {
		return half, j + 1
	}
	if letter(at(s, j)) || isDigit(at(s, j)) {
		return "", i
	}
	return half, j
}

// timeWords is a time that stands from i to end in s. seconds has its colon.
func timeWords(hours, minutes, seconds []rune, half string, s []rune, i, end int) string {
	h, m, sec := value(hours), value(minutes), 0
	if len(seconds) > 0 {
		sec = value(seconds[1:])
	}
	if h > 24 || m > 59 || sec > 59 {
		return string(s[i:end])
	}
	words := cardinal(strconv.Itoa(h))
	switch {
	case m == 0 && half == "" && len(seconds) == 0:
		words += " o'clock"
	case m == 0:
	case m < 10:
		words += " oh " + ones[m]
	default:
		words += " " + hundreds(m)
	}
	if len(seconds) > 0 {
		words += " and " + hundreds(sec) + " second"
		if sec != 1 {
			words += "s"
		}
	}
	if half != "" { // with points the lexicon reads it letter by letter
		words += " " + half + ".M"
		if at(s, end) != '.' {
			words += "."
		}
	}
	return words
}

// date is a date in words, or "" if there is none such.
func (w *words) date(year string, month, day int) string {
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return ""
	}
	words := w.monthName(month) + " " + ordinal(strconv.Itoa(day))
	if year != "" {
		words += ", " + year
	}
	return words
}

// dateISO: "2019-10-12".
func (w *words) dateISO(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || wordAt(s, i-1) {
		return "", i
	}
	y := exactly(s, i, 4)
	if y == i || at(s, y) != '-' {
		return "", i
	}
	m := exactly(s, y+1, 2)
	if m == y+1 || at(s, m) != '-' {
		return "", i
	}
	d := exactly(s, m+1, 2)
	if d == m+1 || wordAt(s, d) {
		return "", i
	}
	if words := w.date(string(s[i:y]), value(s[y+1:m]), value(s[m+1:d])); words != "" {
		return words, d
	}
	return string(s[i:d]), d
}

// dateUS: "10/12/2019".
func (w *words) dateUS(s []rune, i int) (string, int) {
	if !isDigit(s[i]) || wordAt(s, i-1) {
		return "", i
	}
	a := digits(s, i, 2)
	if at(s, a) != '/' {
		return "", i
	}
	b := digits(s, a+1, 2)
	if b == a+1 || at(s, b) != '/' {
		return "", i
	}
	end := digits(s, b+1, 4)
	if n := end - b - 1; n != 4 && n != 2 || wordAt(s, end) {
		return "", i
	}
	year := string(s[b+1 : end])
	if end-b-1 == 2 {
		if small(year) > 30 {
			year = "19" + year
		} else {
			year = "20" + year
		}
	}
	month, day := value(s[i:a]), value(s[a+1:b])
	if month > 12 {
		month, day = day, month
	}
	if words := w.date(year, month, day); words != "" {
		return words, end
	}
	return string(s[i:end]), end
}

// monthDay: "Jan. 5th, 2020".
func (w *words) monthDay(s []rune, i int) (string, int) {
	if !edge(s, i) {
		return "", i
	}
	dayOf := func(end int) (from, to int) { // the digits of the day
		if at(s, end) == '.' {
			end++
		}
		if at(s, end) != ' ' {
			return 0, 0
		}
		return end + 1, digits(s, end+1, 2)
	}
	name, end := w.months.begin(s, i, func(end int) bool {
		from, to := dayOf(end)
		return to > from
	})
	if name == "" {
		return "", i
	}
	from, to := dayOf(end)
	end = to
	switch string(s[to:min(to+2, len(s))]) {
	case "st", "nd", "rd", "th":
		end += 2
	}
	if r := at(s, end); wordAt(s, end) || r == ':' || r == '%' {
		return "", i
	}
	year := end
	if at(s, year) == ',' {
		year++
	}
	if stop := exactly(s, year+1, 4); at(s, year) == ' ' && stop > year+1 && !wordAt(s, stop) {
		year = stop
	} else {
		year = end
	}
	day := value(s[from:to])
	if day < 1 || day > 31 {
		return string(s[i:year]), year
	}
	return w.month(name) + " " + ordinal(strconv.Itoa(day)) + string(s[end:year]), year
}

// dayMonth: "the 5th of May" is words already; "5 May" and "the 5 of May" are not.
func (w *words) dayMonth(s []rune, i int) (string, int) {
	if !edge(s, i) {
		return "", i
	}
	from := i
	if string(s[i:min(i+4, len(s))]) == "the " {
		from += 4
	}
	d := digits(s, from, 2)
	if d == from || at(s, d) != ' ' {
		return "", i
	}
	m := d + 1
	if string(s[m:min(m+3, len(s))]) == "of " {
		m += 3
	}
	name, end := w.months.begin(s, m, func(end int) bool { return !wordAt(s, end) })
	if name == "" {
		return "", i
	}
	if at(s, end) == '.' {
		end++
	}
	day := value(s[from:d])
	if day < 1 || day > 31 {
		return string(s[i:end]), end
	}
	return fmt.Sprintf("the %s of %s", ordinal(strconv.Itoa(day)), w.month(name)), end
}
