package main

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// This file stands between the user and the parser: it accepts forms that are
// usual in other programs, and rewrites the parser's errors.

// negative matches an argument that is a negative number and not a flag.
var negative = regexp.MustCompile(`^-\.?[0-9]`)

// shortFlag matches a flag of one letter that takes a value: all but -h.
var shortFlag = regexp.MustCompile(`^-[a-gi-zA-Z]$`)

// usual rewrites the command line for the parser: help and version may be commands
// or flags, and an argument may be a negative number.
func usual(args []string) []string {
	if len(args) == 0 {
		return []string{"--help"}
	}
	switch args[0] {
	case "--version", "-version", "-v", "-V":
		return append([]string{"version"}, args[1:]...)
	case "help", "-help", "-?", "/?":
		return append(slices.Clone(args[1:]), "--help")
	}
	var out, last []string
	for i, arg := range args {
		switch {
		case arg == "--":
			return append(append(out, args[i:]...), last...)
		case !negative.MatchString(arg):
			out = append(out, arg)
		case i > 0 && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "="):
			out[len(out)-1] += "=" + arg // the value of a flag
		case i > 0 && shortFlag.MatchString(args[i-1]):
			out[len(out)-1] += arg
		default:
			last = append(last, arg) // an amount, which is last in every command that takes one
		}
	}
	if len(last) > 0 {
		out = append(append(out, "--"), last...)
	}
	return out
}

// parse reads the command line.
func parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	if err := noCommand(parser.Model.Node, args); err != nil {
		return nil, err
	}
	k, err := parser.Parse(args)
	if err != nil {
		if other := withNarration(args, err.Error()); other != nil {
			if k, err := parser.Parse(other); err == nil {
				return k, emptyFlag(k)
			}
		}
		return nil, usageError{errors.New(plain(err, args))}
	}
	return k, emptyFlag(k)
}

// noCommand returns an error if the command line begins with something that is
// neither a command nor a flag.
func noCommand(app *kong.Node, args []string) error {
	if strings.HasPrefix(args[0], "-") {
		return nil
	}
	names := commandsOf(app)
	if slices.Contains(names, args[0]) {
		return nil
	}
	if near := nearest(args[0], names); near != "" {
		return usagef("there is no command %s: did you mean kinora %s?", args[0], near)
	}
	return usagef("there is no command %q. To make a video of a sentence: kinora generate %s", args[0], quotedForShell(sentenceOf(args)))
}

// sentenceOf returns the words before the first flag.
func sentenceOf(args []string) string {
	if n := slices.IndexFunc(args, func(word string) bool { return strings.HasPrefix(word, "-") }); n >= 0 {
		args = args[:n]
	}
	return strings.Join(args, " ")
}

// quotedForShell quotes a text so that a shell reads it as one word.
func quotedForShell(s string) string {
	if strings.ContainsAny(s, "\"$`\\!") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return `"` + s + `"`
}

func commandsOf(n *kong.Node) (names []string) {
	for _, c := range n.Children {
		if c.Type == kong.CommandNode && !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// nearest returns the name that a misspelt word probably means, or "".
func nearest(word string, names []string) (best string) {
	word = strings.ToLower(word)
	least := 1 + min(2, len(word)/3) // this many mistakes are too many
	for _, name := range names {
		if d := mistakes(word, name); d < least {
			least, best = d, name
		}
	}
	return best
}

// mistakes counts the letters that are missing, added, wrong, or swapped with the
// next one (optimal string alignment distance).
func mistakes(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// plain rewrites an error of the parser in our own words.
func plain(err error, args []string) string {
	text := err.Error()
	if strings.HasPrefix(args[0], "-") && strings.HasPrefix(text, "unknown flag") {
		return fmt.Sprintf("there is no flag %s without a command: put the command first, such as kinora serve %s", args[0], args[0])
	}
	for _, p := range phrases {
		if m := p.is.FindStringSubmatch(text); m != nil {
			return p.say(m)
		}
	}
	parse, _ := errors.AsType[*kong.ParseError](err)
	if m := tooMany.FindStringSubmatch(text); m != nil {
		switch {
		case args[0] == "generate" && len(args) > 1 && !strings.HasPrefix(args[1], "-"):
			return fmt.Sprintf("%s is one argument too many. Put the whole sentence in quotes: kinora generate %s", m[1], quotedForShell(sentenceOf(args[1:])))
		case m[2] != "":
			return fmt.Sprintf("there is no command %s: did you mean %s?", m[1], m[2])
		}
		return m[1] + " is one argument too many"
	}
	if strings.HasPrefix(text, "expected ") && parse != nil && parse.Context != nil {
		path := parse.Context.Command()
		if n := len(parse.Context.Path); n > 0 {
			if node := parse.Context.Path[n-1].Node(); node != nil && len(commandsOf(node)) > 0 {
				return fmt.Sprintf("kinora %s does several things: say which, of %s", path, strings.Join(commandsOf(node), ", "))
			}
		}
	}
	return text
}

var tooMany = regexp.MustCompile(`^unexpected argument (.+?)(?:, did you mean "([^"]+)"\?)?$`)

// phrases map what the parser says to what we say.
var phrases = []struct {
	is  *regexp.Regexp
	say func(m []string) string
}{
	{regexp.MustCompile(`^(--?[\w-]+): expected \w+ value but got "EOL"`), func(m []string) string {
		return m[1] + " needs a value after it"
	}},
	{regexp.MustCompile(`^(--?[\w-]+): expected \w+ value but got "([^"]*)"`), func(m []string) string {
		return fmt.Sprintf("%s needs a value after it, and %s is a flag: a value that begins with a dash is written %s=%s", m[1], m[2], m[1], m[2])
	}},
	{regexp.MustCompile(`^(--?[\w-]+): expected a float but got "(.*)" \(`), func(m []string) string {
		return fmt.Sprintf("%s %s: write a number, such as 1.5", m[1], orNothing(m[2]))
	}},
	{regexp.MustCompile(`^(--?[\w-]+): expected a valid \d+ bit uint but got "(.*)"`), func(m []string) string {
		return fmt.Sprintf("%s %s: write a whole number, 0 or more", m[1], orNothing(m[2]))
	}},
	{regexp.MustCompile(`^(--?[\w-]+): expected a valid \d+ bit int but got "(.*)"`), func(m []string) string {
		return fmt.Sprintf("%s %s: write a whole number", m[1], orNothing(m[2]))
	}},
	{regexp.MustCompile(`^(--?[\w-]+): expected duration but got "([^"]*)"`), func(m []string) string {
		return fmt.Sprintf("%s %s: write a duration, such as 30s, 5m or 12h", m[1], orNothing(m[2]))
	}},
	{regexp.MustCompile(`^(--?[\w-]+): bool value must be`), func(m []string) string {
		return m[1] + " takes no value: give it alone, or leave it out"
	}},
	{regexp.MustCompile(`^(--[\w-]+) must be one of (.*) but got "(.*)"$`), func(m []string) string {
		choices := strings.Split(strings.Trim(strings.ReplaceAll(m[2], `"`, ""), ","), ",")
		return fmt.Sprintf("%s %s: choose one of %s", m[1], orNothing(m[3]), strings.Join(choices, ", "))
	}},
	{regexp.MustCompile(`^unknown flag (\S+), did you mean "([^"]+)"\?$`), func(m []string) string {
		return fmt.Sprintf("there is no flag %s: did you mean %s?", m[1], m[2])
	}},
	{regexp.MustCompile(`^unknown flag ([^\s,]+)`), func(m []string) string {
		return fmt.Sprintf("there is no flag %s", m[1])
	}},
	{regexp.MustCompile(`^missing flags: (.*)$`), func(m []string) string {
		return "what is missing: " + strings.ReplaceAll(m[1], "=", " ")
	}},
	{regexp.MustCompile(`^expected "<([\w-]+)>`), func(m []string) string {
		return fmt.Sprintf("%s is missing", strings.ToUpper(m[1]))
	}},
	{regexp.MustCompile(`^missing positional arguments (.*)$`), func(m []string) string {
		return strings.ToUpper(strings.NewReplacer("<", "", ">", "").Replace(m[1])) + " is missing"
	}},
}

func orNothing(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

// emptyFlag finds a text flag with an empty value, which is mostly an unset
// variable in a script. Without this check it would count as left out.
func emptyFlag(k *kong.Context) error {
	for _, p := range k.Path {
		if p.Flag == nil || p.Resolved {
			continue
		}
		v := p.Flag.Target
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() == reflect.String && strings.TrimSpace(v.String()) == "" {
			return usagef("--%s is empty: give it a value, or leave it out", p.Flag.Name)
		}
	}
	return nil
}
