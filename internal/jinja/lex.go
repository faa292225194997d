package jinja

import (
	"regexp"
	"strings"
	"unicode"
)

// tokenKind is what a piece of a template is.
type tokenKind int

const (
	tokText     tokenKind = iota // between tags
	tokVarOpen                   // {{
	tokVarEnd                    // }}
	tokTagOpen                   // {%
	tokTagEnd                    // %}
	tokName                      // also keywords
	tokString                    // without its quotes
	tokInt                       // of digits
	tokFloat                     //
	tokOperator                  //
	tokEOF                       //
)

type token struct {
	kind tokenKind
	text string
	line int
}

// lexer cuts a template into tokens.
type lexer struct {
	src       string
	at        int
	line      int
	out       []token
	lineStart bool // the last tag ended a line, or nothing came yet
}

func lex(src string) []token {
	l := &lexer{src: src, line: 1, lineStart: true}
	for l.at < len(l.src) {
		l.outside()
	}
	l.add(tokEOF, "")
	return l.out
}

func (l *lexer) add(kind tokenKind, text string) {
	l.out = append(l.out, token{kind, text, l.line})
}

// pass moves over n bytes.
func (l *lexer) pass(n int) string {
	s := l.src[l.at : l.at+n]
	l.line += strings.Count(s, "\n")
	l.at += n
	return s
}

// opening finds the next tag.
func opening(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// outside reads text up to a tag, and the tag.
func (l *lexer) outside() {
	i := opening(l.src[l.at:])
	if i < 0 {
		l.add(tokText, l.pass(len(l.src)-l.at))
		return
	}
	line, text := l.line, l.pass(i)
	tag := l.pass(2)
	sign := byte(0)
	if l.at < len(l.src) && (l.src[l.at] == '-' || l.src[l.at] == '+') {
		sign = l.pass(1)[0]
	}
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && tag != "{{": // lstrip_blocks
		begin := strings.LastIndexByte(text, '\n') + 1
		if (begin > 0 || l.lineStart) && strings.TrimSpace(text[begin:]) == "" {
			text = text[:begin]
		}
	}
	if text != "" {
		l.out = append(l.out, token{tokText, text, line})
	}
	switch tag {
	case "{#":
		end := strings.Index(l.src[l.at:], "#}")
		if end < 0 {
			failf("line %d: a comment does not end", l.line)
		}
		body := l.pass(end)
		l.closed(2, strings.HasSuffix(body, "-"), strings.HasSuffix(body, "+"))
	case "{{":
		l.add(tokVarOpen, "")
		l.inside("}}", tokVarEnd)
	default:
		if !l.raw() {
			l.add(tokTagOpen, "")
			l.inside("%}", tokTagEnd)
		}
	}
}

// closed passes the end of a tag, and the white space that goes with it.
func (l *lexer) closed(n int, strip, keep bool) {
	l.pass(n)
	switch rest := l.src[l.at:]; {
	case strip:
		l.pass(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
	case !keep && strings.HasPrefix(rest, "\n"): // trim_blocks
		l.pass(1)
	}
	l.lineStart = l.src[l.at-1] == '\n'
}

var (
	rawOpen  = regexp.MustCompile(`^\s*raw\s*([-+]?)%\}`)
	rawClose = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
)

// raw reads {% raw %}, after its {%.
func (l *lexer) raw() bool {
	m := rawOpen.FindStringSubmatch(l.src[l.at:])
	if m == nil {
		return false
	}
	l.pass(len(m[0]) - 2)
	l.closed(2, m[1] == "-", m[1] == "+")
	end := rawClose.FindStringSubmatchIndex(l.src[l.at:])
	if end == nil {
		failf("line %d: {%% raw %%} has no {%% endraw %%}", l.line)
	}
	part := func(i int) string { return l.src[l.at:][end[i]:end[i+1]] }
	before, after := part(2), part(4)
	tag := end[1] - end[0]
	text := l.pass(end[0])
	switch begin := strings.LastIndexByte(text, '\n') + 1; {
	case before == "-":
		text = strings.TrimRightFunc(text, isSpace)
	case before == "" && begin > 0 && strings.TrimSpace(text[begin:]) == "":
		text = text[:begin]
	}
	if text != "" {
		l.add(tokText, text)
	}
	l.pass(tag - 2)
	l.closed(2, after == "-", after == "+")
	return true
}

var (
	nameForm  = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_]*`)
	floatForm = regexp.MustCompile(`^[0-9](_?[0-9])*(\.[0-9](_?[0-9])*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)`)
	intForm   = regexp.MustCompile(`^[0-9](_?[0-9])*`)
	operators = []string{"//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|"}
)

// inside reads what a tag holds, to its end.
func (l *lexer) inside(end string, kind tokenKind) {
	var brackets []byte
	for {
		rest := l.src[l.at:]
		trimmed := strings.TrimLeftFunc(rest, isSpace)
		l.pass(len(rest) - len(trimmed))
		if rest = trimmed; rest == "" {
			failf("line %d: a tag does not end", l.line)
		}
		if len(brackets) == 0 {
			sign := rest[0] == '-' || rest[0] == '+' && kind == tokTagEnd
			if strings.HasPrefix(rest, end) || sign && strings.HasPrefix(rest[1:], end) {
				l.add(kind, "")
				n := len(end)
				if sign {
					n++
				}
				// A variable keeps the end of its line.
				l.closed(n, rest[0] == '-', rest[0] == '+' || kind == tokVarEnd)
				return
			}
		}
		if len(l.out) > MaxSource/4 {
			failf("the template has too many words")
		}
		brackets = l.word(rest, brackets)
	}
}

// word reads one token inside a tag.
func (l *lexer) word(rest string, brackets []byte) []byte {
	if rest[0] == '\'' || rest[0] == '"' {
		l.quoted(rest)
		return brackets
	}
	for _, form := range []struct {
		is   *regexp.Regexp
		kind tokenKind
	}{{nameForm, tokName}, {floatForm, tokFloat}, {intForm, tokInt}} {
		if m := form.is.FindString(rest); m != "" {
			l.add(form.kind, strings.ReplaceAll(m, "_", map[bool]string{true: "_"}[form.kind == tokName]))
			l.pass(len(m))
			return brackets
		}
	}
	for _, op := range operators {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		switch op {
		case "(", "[", "{":
			brackets = append(brackets, op[0])
		case ")", "]", "}":
			if n := len(brackets); n == 0 || brackets[n-1] != map[string]byte{")": '(', "]": '[', "}": '{'}[op] {
				failf("line %d: %q closes nothing", l.line, op)
			}
			brackets = brackets[:len(brackets)-1]
		}
		l.add(tokOperator, op)
		l.pass(len(op))
		return brackets
	}
	failf("line %d: %.10q is not understood", l.line, rest)
	return nil
}

// quoted reads a string.
func (l *lexer) quoted(rest string) {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case rest[0]:
			l.add(tokString, unescape(rest[1:i], l.line))
			l.pass(i + 1)
			return
		}
	}
	failf("line %d: a string does not end", l.line)
}

// isSpace is Python's white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
