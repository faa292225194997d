package english

// parts cuts a token into what the lexicon may know apart: words of letters, with
// a capital inside them or not, numbers, dashes, apostrophes and other marks.
func parts(text string) []string {
	s := []rune(text)
	var out []string
	for i := 0; i < len(s); {
		n := part(s, i)
		if n == 0 { // a single apostrophe between two parts
			i++
			continue
		}
		out = append(out, string(s[i:i+n]))
		i += n
	}
	return out
}

// part returns how many runes the part at i has.
func part(s []rune, i int) int {
	quoted := i
	for isQuote(at(s, quoted)) {
		quoted++
	}
	n := quoted - i
	switch {
	case n > 0 && (i == 0 || n > 1 || quoted == len(s)):
		return n
	case n > 0:
		// An apostrophe inside may still begin a part: 'x before a capital.
		return camel(s, i)
	case isUpper(s[i]) && isUpper(at(s, i+1)) && isLower(at(s, i+2)):
		return 1
	}
	if n := numberPart(s, i); n > 0 {
		return n
	}
	if dash := i; s[i] == '-' || s[i] == '_' {
		for at(s, dash) == '-' || at(s, dash) == '_' {
			dash++
		}
		return dash - i
	}
	if n := camel(s, i); n > 0 {
		return n
	}
	end := i
	for isLetter(at(s, end)) {
		end++
	}
	if end == i {
		if isWord(s[i]) {
			return 0
		}
		return 1
	}
	for isQuote(at(s, end)) && isLetter(at(s, end+1)) {
		end += 2
	}
	return end - i
}

// numberPart reads digits, each with a comma or point before it, perhaps. A minus
// belongs to the number that begins a token.
func numberPart(s []rune, i int) int {
	end := i
	if i == 0 && s[0] == '-' {
		end++
	}
	digits := false
	for {
		switch {
		case isDigit(at(s, end)):
			end++
		case isOneOf(at(s, end), ",.") && isDigit(at(s, end+1)):
			end += 2
		case digits:
			return end - i
		default:
			return 0
		}
		digits = true
	}
}

// camel reads letters up to a small one with a capital after it: "Mc" of McDonald.
func camel(s []rune, i int) int {
	for end := i; ; end++ {
		if isLower(at(s, end)) && isUpper(at(s, end+1)) {
			return end + 1 - i
		}
		if isQuote(at(s, end)) {
			for isQuote(at(s, end)) && isLetter(at(s, end+1)) {
				if end += 2; isLower(at(s, end)) && isUpper(at(s, end+1)) {
					return end + 1 - i
				}
			}
			return 0
		}
		if !isLetter(at(s, end)) {
			return 0
		}
	}
}
