package media

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Voice is a voice.
type Voice struct {
	ID        string   // for SpeechOptions.Voice
	Speaker   string   // ByKinora or ByEspeak
	Name      string   // for people
	Languages []string // BCP 47 tags, its main language first
	Gender    string   // male, female, or ""

	file     string // espeak-ng's own name of it
	priority int    // among those of its first language, low is first
	others   []int  // among those of its further languages
}

const (
	voicesTime  = 30 * time.Second
	voicesBytes = 1 << 20
)

// ListVoices asks espeak-ng for its voices, sorted by id.
func ListVoices(ctx context.Context) ([]Voice, error) {
	out, err := askEspeak(ctx, "--voices")
	if err != nil {
		return nil, err
	}
	voices := parseVoices(out)
	if len(voices) == 0 {
		return nil, fmt.Errorf("media: espeak-ng lists no voices: its data is missing, install espeak-ng-data")
	}
	return voices, nil
}

func askEspeak(ctx context.Context, arg string) (string, error) {
	tool, err := Espeak()
	if err != nil {
		return "", err
	}
	out, err := newProcess(ctx, tool, arg).output("asking for voices", voicesBytes, voicesTime)
	return string(out), err
}

// parseVoices reads the table of espeak-ng --voices: priority, language, age
// and gender, name with _ for blanks, file, and further languages with their
// priorities in brackets. Voices that need MBROLA are left out.
func parseVoices(table string) []Voice {
	var all []Voice
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		priority, err := strconv.Atoi(f[0])
		dir, base := path.Split(f[4])
		if err != nil || dir == "" || dir == "mb/" || dir == "!v/" || !plain(f[4]) {
			continue
		}
		v := Voice{
			ID: strings.ToLower(base), Speaker: ByEspeak, Name: strings.ReplaceAll(f[3], "_", " "),
			Languages: []string{f[1]}, file: f[4], priority: priority,
		}
		switch _, g, _ := strings.Cut(f[2], "/"); g {
		case "M":
			v.Gender = "male"
		case "F":
			v.Gender = "female"
		}
		for part := range strings.SplitSeq(strings.Join(f[5:], " "), ")") {
			tag, digits, _ := strings.Cut(strings.TrimLeft(part, " ("), " ")
			if n, err := strconv.Atoi(digits); err == nil {
				v.Languages, v.others = append(v.Languages, tag), append(v.others, n)
			}
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b Voice) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(all, func(a, b Voice) bool { return a.ID == b.ID })
}

// plain says whether a name from espeak-ng has only letters, digits and a few marks,
// so that it cannot be a path to another file.
func plain(name string) bool {
	return !strings.Contains(name, "..") && strings.IndexFunc(name, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '/', r == '.':
			return false
		}
		return true
	}) < 0
}

// findVoice returns the id of a voice and espeak-ng's name for it. It returns only
// names that espeak-ng has listed, whatever the request says.
func findVoice(ctx context.Context, id, language string) (found, file string, err error) {
	voices, err := ListVoices(ctx)
	if err != nil {
		return "", "", err
	}
	base, variant, varied := strings.Cut(strings.ToLower(id), "+")
	v, err := pickVoice(voices, base, strings.ToLower(language))
	if err != nil || !varied {
		return v.ID, v.file, err
	}
	table, err := askEspeak(ctx, "--voices=variant")
	if err != nil {
		return "", "", err
	}
	for _, name := range parseVariants(table) {
		if strings.EqualFold(name, variant) {
			return v.ID + "+" + strings.ToLower(name), v.file + "+" + name, nil
		}
	}
	return "", "", &BadSpeech{"voice", fmt.Sprintf("espeak-ng has no variant %.40q", variant), "such as +f3 or +m2; espeak-ng --voices=variant lists them"}
}

// parseVariants reads the names of the table of espeak-ng --voices=variant.
func parseVariants(table string) []string {
	var names []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || len(f) > 5 && !strings.HasPrefix(f[5], "(") {
			continue // its name has a blank in it
		}
		if name, ok := strings.CutPrefix(f[4], "!v/"); ok && plain(name) {
			names = append(names, name)
		}
	}
	return names
}

// pickVoice finds a voice by its id or, without one, the first for a language; both
// are in lower case. If no voice has the language, it tries it without its region.
func pickVoice(voices []Voice, id, language string) (Voice, error) {
	if id != "" {
		for _, is := range []func(Voice) bool{
			func(v Voice) bool { return v.ID == id },
			func(v Voice) bool { return strings.EqualFold(v.Languages[0], id) },
		} {
			if i := slices.IndexFunc(voices, is); i >= 0 {
				return voices[i], nil
			}
		}
		return Voice{}, &BadSpeech{"voice", fmt.Sprintf("espeak-ng has no %.40q", id), "espeak-ng --voices lists them"}
	}
	if language == "" {
		language = "en"
	}
	for tag := strings.ReplaceAll(language, "_", "-"); tag != ""; {
		if v, ok := best(voices, tag); ok {
			return v, nil
		}
		tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
	}
	return Voice{}, &BadSpeech{"language", fmt.Sprintf("espeak-ng has no voice for %.40q", language), "a tag such as en, zh or ar"}
}

// best returns the voice with the lowest priority for a language.
func best(voices []Voice, tag string) (Voice, bool) {
	found, lowest := -1, 0
	for i, v := range voices {
		for j, l := range v.Languages {
			p := v.priority
			if j > 0 {
				p = v.others[j-1]
			}
			if strings.EqualFold(l, tag) && (found < 0 || p < lowest) {
				found, lowest = i, p
			}
		}
	}
	if found < 0 {
		return Voice{}, false
	}
	return voices[found], true
}
