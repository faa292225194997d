package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxParts bounds the steps that a Sequence may have; real files have up to 5.
const maxParts = 32

// typeOf returns the type of a part of the file.
func typeOf(text json.RawMessage, what string) (string, error) {
	var t struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return "", fmt.Errorf("token: %s of tokenizer.json: %w", what, err)
	}
	return t.Type, nil
}

func unknownPart(what, kind string) error {
	return fmt.Errorf("token: tokenizer.json has a %s of type %.40q, which this build does not know", what, kind)
}

// sequence calls read with each step of a Sequence, whose list has a name.
func sequence(text json.RawMessage, what, list string, depth int, read func(json.RawMessage) error) error {
	var t map[string]json.RawMessage
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("token: %s of tokenizer.json: %w", what, err)
	}
	var steps []json.RawMessage
	if err := json.Unmarshal(t[list], &steps); err != nil || len(t) != 2 {
		return fmt.Errorf("token: the Sequence in %s of tokenizer.json is not a type and a list of %s", what, list)
	}
	if depth > 2 || len(steps) > maxParts {
		return fmt.Errorf("token: the Sequence in %s of tokenizer.json has %d steps in depth %d, more than the %d and 2 allowed",
			what, len(steps), depth, maxParts)
	}
	for _, step := range steps {
		if err := read(step); err != nil {
			return err
		}
	}
	return nil
}

// pattern is what a Replace or a Split looks for.
type pattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

func (r *hfReader) normalizer(text string) error {
	if text == "" {
		return nil
	}
	return r.addNormalizer(json.RawMessage(text), 0)
}

func (r *hfReader) addNormalizer(text json.RawMessage, depth int) error {
	const what = "normalizer"
	kind, err := typeOf(text, what)
	if err != nil {
		return err
	}
	var c struct {
		Type    string  `json:"type"`
		Left    bool    `json:"strip_left"`
		Right   bool    `json:"strip_right"`
		Prepend string  `json:"prepend"`
		Pattern pattern `json:"pattern"`
		Content string  `json:"content"`
		Table   []byte  `json:"precompiled_charsmap"`
	}
	if kind == "Sequence" {
		return sequence(text, what, "normalizers", depth, func(step json.RawMessage) error {
			return r.addNormalizer(step, depth+1)
		})
	}
	if err := partOf(string(text), what+" "+kind, &c); err != nil {
		return err
	}
	if max(len(c.Prepend), len(c.Content)) > MaxReplacement {
		return fmt.Errorf("token: a normalizer of tokenizer.json writes %d bytes, more than the %d allowed", max(len(c.Prepend), len(c.Content)), MaxReplacement)
	}
	add := func(n normalizer) error {
		r.t.forms = append(r.t.forms, n)
		return nil
	}
	switch kind {
	case "NFC":
		return add(unicodeForm(norm.NFC))
	case "NFD":
		return add(unicodeForm(norm.NFD))
	case "NFKC":
		return add(unicodeForm(norm.NFKC))
	case "NFKD":
		return add(unicodeForm(norm.NFKD))
	case "Lowercase":
		return add(lowercase)
	case "StripAccents":
		return add(stripAccents)
	case "Strip":
		return add(strip(c.Left, c.Right))
	case "Prepend":
		return add(prepend(c.Prepend))
	case "Replace":
		n, err := replacer(c.Pattern, c.Content)
		if err != nil {
			return err
		}
		return add(n)
	case "Precompiled":
		m, err := readCharsmap(c.Table)
		if err != nil || m == nil {
			return err
		}
		return add(m.normalize)
	}
	return unknownPart(what, kind)
}

// runPattern is the one kind of regular expression that Replace is used with:
// at least so many of one character.
var runPattern = regexp.MustCompile(`^([^\\.+*?()|\[\]{}^$])(\+|\{(\d{1,2}),\})$`)

// replacer returns the normalizer Replace.
func replacer(p pattern, to string) (normalizer, error) {
	if p.String != nil && *p.String != "" {
		return replaceAll(*p.String, to), nil
	}
	if p.Regex != nil {
		if m := runPattern.FindStringSubmatch(*p.Regex); m != nil {
			least := 1
			if m[3] != "" {
				least, _ = strconv.Atoi(m[3])
			}
			if least > 0 {
				return replaceRuns(m[1], least, to), nil
			}
		}
		return nil, fmt.Errorf("token: tokenizer.json replaces by the pattern %.80q; this build knows runs of one character, such as %q", *p.Regex, " {2,}")
	}
	return nil, errors.New("token: tokenizer.json replaces by a pattern that is empty")
}

func (r *hfReader) preTokenizer(text string) error {
	if text == "" {
		return nil
	}
	return r.addPreTokenizer(json.RawMessage(text), 0)
}

// addPreTokenizer adds a step.
func (r *hfReader) addPreTokenizer(text json.RawMessage, depth int) error {
	const what = "pre_tokenizer"
	kind, err := typeOf(text, what)
	if err != nil {
		return err
	}
	if kind == "Sequence" {
		return sequence(text, what, "pretokenizers", depth, func(step json.RawMessage) error {
			return r.addPreTokenizer(step, depth+1)
		})
	}
	if r.byteLevel {
		return fmt.Errorf("token: the pre-tokenizer %.40q follows ByteLevel, whose bytes this build hands to the model", kind)
	}
	c := preTokenizerJSON{Split: true, Regex: true}
	if err := partOf(string(text), what+" "+kind, &c); err != nil {
		return err
	}
	add := func(p preTokenizer) { r.t.pre = append(r.t.pre, p) }
	switch kind {
	case "ByteLevel":
		r.byteLevel = true
		if c.PrefixSpace == nil || *c.PrefixSpace {
			add(prefixSpace)
		}
		if c.Regex {
			add(cutWords(gpt2Words))
		}
	case "Split":
		return c.addSplit(add)
	case "Digits":
		b := contiguous
		if c.Individual {
			b = isolated
		}
		add(cutBy(aRune(unicode.IsNumber), b))
	case "WhitespaceSplit":
		add(cutBy(aRune(unicode.IsSpace), removed))
	case "Metaspace":
		m, err := c.metaspace(len(r.t.pre) == 0)
		if err != nil {
			return err
		}
		add(m.cut)
	default:
		return unknownPart(what, kind)
	}
	return nil
}

// preTokenizerJSON has the fields of all pre-tokenizers.
type preTokenizerJSON struct {
	Type        string  `json:"type"`
	PrefixSpace *bool   `json:"add_prefix_space"`
	Trim        bool    `json:"trim_offsets"` // moves no token
	Regex       bool    `json:"use_regex"`
	Pattern     pattern `json:"pattern"`
	Behavior    string  `json:"behavior"`
	Invert      bool    `json:"invert"`
	Individual  bool    `json:"individual_digits"`
	Replacement string  `json:"replacement"`
	Mark        string  `json:"str_rep"` // says the same again in old files
	Scheme      string  `json:"prepend_scheme"`
	Split       bool    `json:"split"`
}

func (c *preTokenizerJSON) behaviour() (behaviour, error) {
	switch b := behaviour(c.Behavior); b {
	case removed, isolated, mergedWithPrevious, mergedWithNext, contiguous:
		return b, nil
	default:
		return "", fmt.Errorf("token: tokenizer.json has a behavior %.40q, which this build does not know", b)
	}
}

func (c *preTokenizerJSON) addSplit(add func(preTokenizer)) error {
	b, err := c.behaviour()
	switch {
	case err != nil:
		return err
	case c.Invert:
		return errors.New("token: tokenizer.json has a Split that is inverted, which this build does not know")
	case c.Pattern.String != nil && *c.Pattern.String != "":
		add(cutBy(aText(*c.Pattern.String), b))
		return nil
	case c.Pattern.Regex == nil:
		return errors.New("token: tokenizer.json has a Split by a pattern that is empty")
	}
	if w, ok := knownWords[*c.Pattern.Regex]; ok && b == isolated {
		add(cutWords(w))
		return nil
	}
	if is, ok := knownClasses[*c.Pattern.Regex]; ok {
		add(cutBy(aRune(is), b))
		return nil
	}
	return fmt.Errorf("token: tokenizer.json cuts text by the pattern %.200q (%s), which this build does not know; it has those of GPT-2, GPT-4, Llama 3, Qwen2 and Qwen3",
		*c.Pattern.Regex, b)
}

// knownClasses has the patterns that are one character.
var knownClasses = map[string]func(rune) bool{
	`\p{N}`: unicode.IsNumber,
	`\d`:    unicode.IsDigit,
	`[0-9]`: func(r rune) bool { return r >= '0' && r <= '9' },
	`\s`:    unicode.IsSpace,
}

// metaspace reads a Metaspace; alone says that no step cuts text before it.
func (c *preTokenizerJSON) metaspace(alone bool) (metaspace, error) {
	if utf8.RuneCountInString(c.Replacement) != 1 || c.Mark != "" && c.Mark != c.Replacement {
		return metaspace{}, fmt.Errorf("token: the Metaspace of tokenizer.json puts %.20q in the place of a space, and not one character", c.Replacement)
	}
	m := metaspace{mark: c.Replacement, split: c.Split}
	var err error
	if m.always, m.first, err = prependScheme(c.Scheme, c.PrefixSpace); m.first && !alone {
		err = errors.New("token: tokenizer.json has a Metaspace of prepend_scheme first after another pre-tokenizer, which this build does not know")
	}
	return m, err
}

// prependScheme reads when a Metaspace puts a mark before a text; files of before
// 2024 have a bool for it.
func prependScheme(scheme string, old *bool) (always, first bool, err error) {
	switch {
	case scheme == "always", scheme == "" && (old == nil || *old):
		return true, false, nil
	case scheme == "first":
		return false, true, nil
	case scheme == "never", scheme == "":
		return false, false, nil
	}
	return false, false, fmt.Errorf("token: tokenizer.json has a prepend_scheme %.40q, which this build does not know", scheme)
}
