package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// pages returns the text of the repository's pages of documentation by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "runs") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// code returns the lines of a page that are code: blocks line by line, except
// those of Go, and spans within text.
func code(page string) []string {
	var out []string
	fence, golang := false, false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fence = !fence
			golang = strings.HasSuffix(line, "```go")
		case fence && !golang:
			out = append(out, line)
		case !fence:
			for i, span := range strings.Split(line, "`") {
				if i%2 == 1 {
					out = append(out, span)
				}
			}
		}
	}
	return out
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href|srcset)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// slug is the anchor that a heading gets.
func slug(heading string) string {
	return strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}

// TestLinksLead: every link within the repository leads to a file that is
// there and, with an anchor, to a heading in it.
func TestLinksLead(t *testing.T) {
	all := pages(t)
	for path, page := range all {
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			full := path
			if file != "" {
				full = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(full); err != nil {
				t.Errorf("%s links to %s, which is not there", path, target)
				continue
			}
			found := anchor == "" || filepath.Ext(full) != ".md"
			for _, h := range heading.FindAllStringSubmatch(all[full], -1) {
				found = found || slug(h[1]) == anchor
			}
			if !found {
				t.Errorf("%s links to %s: no such heading", path, target)
			}
		}
	}
}

var (
	command = regexp.MustCompile(`(?:^|[\s/(])(?:kinora|scripts/film)((?: +[^\s#&;]+)+)`)
	word    = regexp.MustCompile(`^[a-z][a-z-]*(\|[a-z][a-z-]*)*$`)
	flag    = regexp.MustCompile(`^--[a-z][a-z-]*`)
)

// use is a command line that a page shows: its words before anything else, and
// its flags.
type use struct {
	words, flags []string
}

// uses finds the command lines of kinora in a line of code. A word such as
// codec|text-video is one use for each.
func uses(line string) []use {
	var out []use
	film := strings.Contains(line, "scripts/film")
	for _, m := range command.FindAllStringSubmatch(quoted.ReplaceAllString(line, "TEXT"), -1) {
		u := use{}
		if film {
			u.words = []string{"generate"}
		}
		open := !film // words may still come
		alternatives := []string{""}
		words, _, _ := strings.Cut(m[1], " | ")
		for _, w := range strings.Fields(words) {
			switch f := flag.FindString(strings.Trim(w, "[]")); {
			case f != "":
				u.flags = append(u.flags, f)
				open = false
			case open && word.MatchString(w) && len(u.words) < 2:
				u.words = append(u.words, w)
				alternatives = strings.Split(w, "|")
			default:
				open = false
			}
		}
		if len(u.words) == 0 {
			continue
		}
		for _, a := range alternatives {
			words := append([]string(nil), u.words...)
			if a != "" {
				words[len(words)-1] = a
			}
			out = append(out, use{words, u.flags})
		}
	}
	return out
}

// quoted is a word of the shell that may hold anything.
var quoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)

func TestUses(t *testing.T) {
	for line, want := range map[string]string{
		`scripts/film "a cat --loud" --seconds 2 -o x`: "[{[generate] [--seconds]}]",
		`kinora world sample --seed 7 -n 20 --out dir`: "[{[world sample] [--seed --out]}]",
		`kinora train codec|text-video`:                "[{[train codec] []} {[train text-video] []}]",
		`kinora generate "PROMPT" [--size WxH]`:        "[{[generate] [--size]}]",
		`kinora --help`:                                "[]",
		`kinora`:                                       "[]",
		`kinora generate x -o - | mpv --loop`:          "[{[generate x] []}]",
		`./kinora version && kinora bench`:             "[{[version] []} {[bench] []}]",
	} {
		if got := fmt.Sprint(uses(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestCommandsInDocs: every command of kinora that a page shows is one, and
// has the flags that the page gives it.
func TestCommandsInDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := released(t)
	helps := map[string]string{}
	help := func(words ...string) string {
		key := strings.Join(words, " ")
		if _, ok := helps[key]; !ok {
			out, err := exec.Command(bin, append(words, "--help")...).CombinedOutput()
			if err != nil || !regexp.MustCompile(`(?m)^Usage: kinora `+key+`( |$)`).Match(out) {
				out = nil
			}
			helps[key] = string(out)
		}
		return helps[key]
	}
	shown := 0
	for path, page := range pages(t) {
		for _, line := range code(page) {
			for _, u := range uses(line) {
				text := help(u.words[0])
				if strings.Contains(text, "<command>") && len(u.words) > 1 {
					text = help(u.words...)
				}
				if text == "" {
					t.Errorf("%s: there is no command kinora %s, in: %s", path, strings.Join(u.words, " "), line)
					continue
				}
				for _, f := range u.flags {
					if !strings.Contains(text, f) {
						t.Errorf("%s: kinora %s has no flag %s, in: %s", path, strings.Join(u.words, " "), f, line)
					}
				}
				shown++
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a command")
	}
}

// TestTargetsInDocs: every make target and script that a page shows is there.
func TestTargetsInDocs(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile(`(?:^|\s)make ([a-z][a-z0-9-]*)`)
	script := regexp.MustCompile(`(?:^|\s)(?:\./)?((?:scripts|bench|tools|\.ci)/[a-zA-Z0-9_./-]+)`)
	for path, page := range pages(t) {
		for _, line := range code(page) {
			for _, m := range target.FindAllStringSubmatch(line, -1) {
				if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
					t.Errorf("%s: the Makefile has no target %s, in: %s", path, m[1], line)
				}
			}
			for _, m := range script.FindAllStringSubmatch(line, -1) {
				if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
					t.Errorf("%s: there is no %s, in: %s", path, m[1], line)
				}
			}
		}
	}
}

// TestFloorsInDocs: docs/architecture.md tells of every room that is built, and
// has it on the floor where the imports are checked to be.
func TestFloorsInDocs(t *testing.T) {
	page := pages(t)[filepath.Join("..", "..", "docs", "architecture.md")]
	row := regexp.MustCompile(`(?m)^\| (\d) \| ([^|]*) \|`)
	path := regexp.MustCompile("`([a-z0-9/]+)`")
	told := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		floor, _ := strconv.Atoi(m[1])
		for _, p := range path.FindAllStringSubmatch(m[2], -1) {
			r := p[1]
			if r == "kinora" {
				r = ""
			}
			told[r] = true
			if f, ok := floorOf(r); !ok || f != floor {
				t.Errorf("docs/architecture.md has %s on floor %d, the imports on floor %d", p[1], floor, f)
			}
		}
	}
	cmd := exec.Command("go", "list", "-e", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		if !told[room(p)] {
			t.Errorf("docs/architecture.md does not tell of %s", p)
		}
	}
}

// TestGoInDocs: every whole program in Go that a page shows compiles against
// the module as it is.
func TestGoInDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	block := regexp.MustCompile("(?s)```go\n(package main\n.*?)```")
	for path, page := range pages(t) {
		for _, m := range block.FindAllStringSubmatch(page, -1) {
			dir := t.TempDir()
			file := filepath.Join(dir, "main.go")
			if err := os.WriteFile(file, []byte(m[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "program.exe"), file)
			cmd.Dir = filepath.Join("..", "..")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: a program does not compile: %v\n%s", path, err, out)
			}
		}
	}
}
