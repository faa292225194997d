package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestUsualForms(t *testing.T) {
	for in, want := range map[string]string{
		"--version": "version", "-v": "version", "help": "--help", "help generate": "generate --help", "help world sample": "world sample --help",
		"generate x --seconds -5":                 "generate x --seconds=-5",
		"generate x --seconds=-5":                 "generate x --seconds=-5",
		"world sample -n -5 --out d":              "world sample -n-5 --out d",
		"projects deposit acme -h -5":             "projects deposit acme -h -- -5",
		"projects deposit acme -5.00":             "projects deposit acme -- -5.00",
		"projects deposit acme -.50 --note x":     "projects deposit acme --note x -- -.50",
		"projects deposit acme --note x -- -5.00": "projects deposit acme --note x -- -5.00",
		"generate -o a.mp4 x":                     "generate -o a.mp4 x",
		"generate - -o -":                         "generate - -o -",
		"":                                        "--help",
	} {
		if got := strings.Join(usual(strings.Fields(in)), " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestWordsOfOurOwn: what is wrong with a command line is said in words that
// name the mistake and the way out, and none of the parser's.
func TestWordsOfOurOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"a dog"}, `there is no command "a dog". To make a video of a sentence: kinora generate "a dog"`},
		{[]string{"a", "dog", "--seconds", "3"}, `kinora generate "a dog"`},
		{[]string{`a "red" dog`}, `kinora generate 'a "red" dog'`},
		{[]string{"dog"}, `there is no command "dog". To make a video`},
		{[]string{"一只猫"}, `kinora generate "一只猫"`},
		{[]string{"generat", "x"}, "there is no command generat: did you mean kinora generate?"},
		{[]string{"gneerate", "x"}, "did you mean kinora generate?"},
		{[]string{"Serve"}, "did you mean kinora serve?"},
		{[]string{"help", "wrld"}, "did you mean kinora world?"},
		{[]string{"world", "sampel"}, "there is no command sampel: did you mean sample?"},
		{[]string{"world"}, "kinora world does several things: say which, of sample, render"},
		{[]string{"--data", "d", "serve"}, "there is no flag --data without a command"},
		{[]string{"generate", "x", "--seconds"}, "--seconds needs a value after it"},
		{[]string{"generate", "x", "--seconds", "--fps", "3"}, "--seconds needs a value after it, and --fps is a flag"},
		{[]string{"generate", "x", "--seconds", "long"}, "--seconds long: write a number, such as 1.5"},
		{[]string{"generate", "x", "--seconds="}, `--seconds "": write a number`},
		{[]string{"generate", "x", "--model", "testcard", "--seconds", "-5"}, "-5 is out of range"},
		{[]string{"generate", "x", "--steps", "1.5"}, "--steps 1.5: write a whole number"},
		{[]string{"generate", "x", "--seed", "-1"}, "--seed -1: write a whole number, 0 or more"},
		{[]string{"generate", "x", "--overwrite=perhaps"}, "--overwrite takes no value"},
		{[]string{"generate", "x", "--sekonds", "3"}, "there is no flag --sekonds: did you mean --seconds?"},
		{[]string{"generate", "x", "--zzz"}, "there is no flag --zzz"},
		{[]string{"generate", "a", "red", "cat", "--steps", "2"}, `Put the whole sentence in quotes: kinora generate "a red cat"`},
		{[]string{"generate", "x", "-o", ""}, "--output is empty: give it a value, or leave it out"},
		{[]string{"generate", "x", "--image="}, "--image is empty"},
		{[]string{"decode", "x", "--weights", " "}, "--weights is empty"},
		{[]string{"serve", "--database", ""}, "--database is empty"},
		{[]string{"world", "sample", "--out", "", "-n", "1"}, "--out is empty"},
		{[]string{"world", "sample", "-n", "-5", "--out", "d"}, "-n -5: choose 1 to"},
		{[]string{"world", "sample"}, "what is missing: --out DIR"},
		{[]string{"world", "sample", "--out", "d", "--lang", "fr"}, "--lang fr: choose one of en, zh, ar"},
		{[]string{"decode"}, "LATENTS is missing"},
		{[]string{"train", "codec", "--dir", "d", "--steps", "1", "--save", "often"}, "--save often: write a duration, such as 30s"},
	} {
		var out, errs bytes.Buffer
		code := run(tt.args, streams{&out, &errs})
		first, _, _ := strings.Cut(errs.String(), "\n")
		if code != exitUsage || !strings.Contains(first, tt.want) || out.Len() > 0 {
			t.Errorf("kinora %q: %d, %s, want %s", tt.args, code, first, tt.want)
		}
		for _, word := range []string{"EOL", "expected", "unexpected", "(string)", "short flag", " int ", "float"} {
			if strings.Contains(errs.String(), word) {
				t.Errorf("kinora %q: %q is the parser's: %s", tt.args, word, first)
			}
		}
	}
}

// TestAnswered: what other programs have taught people is answered.
func TestAnswered(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--version", "kinora "}, {"-v", "models: "}, {"help", "Commands:"}, {"help generate", "kinora generate [<prompt>]"}, {"world --help", "sample"},
	} {
		var out, errs bytes.Buffer
		if code := run(strings.Fields(tt.args), streams{&out, &errs}); code != exitOK || !strings.Contains(out.String(), tt.want) || errs.Len() > 0 {
			t.Errorf("kinora %s: %d\n%s%s", tt.args, code, out.String(), errs.String())
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"generate", "decode", "world", "keys", "usage", "eval"}
	for word, want := range map[string]string{
		"genrate": "generate", "dceode": "decode", "key": "keys", "usge": "usage", "dog": "", "a dog": "", "": "", "evaluate": "", "wordl": "world",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if !slices.Contains(names, nearest("GENERATE", names)) {
		t.Error("capitals count")
	}
}
