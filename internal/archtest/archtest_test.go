package archtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kinora-video/kinora"

// floors is the house, ground floor first. A package is on the floor of the
// longest entry that is its path or, ending in a slash, the start of it. A
// package may import its own floor and those below.
var floors = map[string]int{
	"internal/simd":       0,
	"internal/scratch":    0,
	"internal/disk":       0,
	"internal/kernel/":    0,
	"internal/tensor":     1,
	"internal/tensor/":    1,
	"internal/autograd":   2,
	"internal/backend":    2,
	"internal/weights/":   2,
	"internal/token":      2,
	"internal/grammar":    2,
	"internal/media":      2,
	"internal/terminal":   2,
	"internal/browser":    2,
	"internal/text":       2,
	"internal/jinja":      2,
	"internal/nn":         3,
	"internal/engine":     3,
	"internal/catalog":    3,
	"internal/shelf":      3,
	"internal/soundtrack": 3,
	"internal/prompt":     3,
	"internal/world":      3,
	"internal/sampler":    4,
	"internal/model/":     4,
	"":                    5, // the root package
	"internal/train":      5,
	"internal/recogniser": 5,
	"internal/bench":      5,
	"internal/eval":       5,
	"internal/hub":        5,
	"internal/hub/":       5,
	"internal/job":        6,
	"internal/store":      6,
	"internal/store/":     6,
	"internal/blob":       6,
	"internal/egress":     6,
	"internal/auth":       6,
	"internal/meter":      6,
	"internal/moderation": 6,
	"internal/worker":     7,
	"internal/webhook":    7,
	"internal/web":        7,
	"internal/service":    7,
	"internal/service/":   7,
	"internal/server":     8,
	"internal/api/":       8,
	"internal/studio":     8,
	"cmd/kinora":          9,
	"internal/archtest":   9,
	"internal/e2e":        9,
}

// The platform's floors. It knows models through the root package alone.
const platformFirst, platformLast = 6, 8

// both is what the platform shares with the models, and is part of neither:
// pictures, video and sound as such are not theirs.
var both = []string{"internal/text", "internal/disk", "internal/scratch", "internal/media", "internal/soundtrack"}

// doors names the rooms that may import a package of the outside world.
var doors = map[string][]string{
	"os/exec":      {"internal/browser", "internal/media", "internal/store/storetest"},
	"database/sql": {"internal/store"},
	"net/http":     {"internal/egress", "internal/hub", "internal/hub/hubtest", "internal/webhook", "internal/web", "internal/service", "internal/api/minimax", "internal/api/openai", "internal/api/native", "internal/api/native/docs", "internal/api/apitest", "internal/server", "internal/studio", "cmd/kinora"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	CgoFiles   []string
	Module     *struct{ Main bool }
}

// room is a path within the module; "" is the root.
func room(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func floorOf(r string) (int, bool) {
	if f, ok := floors[r]; ok {
		return f, true
	}
	for dir := r; ; {
		i := strings.LastIndexByte(dir, '/')
		if i < 0 {
			return 0, false
		}
		if f, ok := floors[dir[:i+1]]; ok {
			return f, true
		}
		dir = dir[:i]
	}
}

// apis is the folder whose rooms do not import each other.
const apis = "internal/api/"

// siblings says whether two rooms are different APIs. Only imports of the program
// are looked at: tests share what is in apitest.
func siblings(a, b string) bool {
	api := func(room string) string {
		name, _ := strings.CutPrefix(room, apis)
		name, _, _ = strings.Cut(name, "/")
		return name
	}
	return strings.HasPrefix(a, apis) && strings.HasPrefix(b, apis) && api(a) != api(b)
}

// faults says what is wrong with the imports of one package of the module.
func faults(p pkg) []string {
	var out []string
	r := room(p.ImportPath)
	floor, ok := floorOf(r)
	if !ok {
		return []string{r + " has no floor: give it one in the table of this test and in docs/architecture.md"}
	}
	platform := floor >= platformFirst && floor <= platformLast
	if len(p.CgoFiles) > 0 {
		out = append(out, r+" uses cgo")
	}
	for _, imp := range p.Imports {
		if rooms, guarded := doors[imp]; guarded && !slices.Contains(rooms, r) {
			out = append(out, r+" imports "+imp+": that door is in "+strings.Join(rooms, ", "))
		}
		if imp != module && !strings.HasPrefix(imp, module+"/") {
			continue
		}
		below, ok := floorOf(room(imp))
		switch {
		case ok && siblings(r, room(imp)):
			out = append(out, r+" imports "+room(imp)+": an API knows no other")
		case ok && below > floor:
			out = append(out, r+" imports "+room(imp)+", which is above it")
		case ok && platform && below < platformFirst && imp != module && !slices.Contains(both, room(imp)):
			out = append(out, r+" imports "+room(imp)+": the platform knows models through the root package alone")
		}
	}
	return out
}

// TestImportsPointDown lists every package of the module, whatever the build
// tags of this machine leave of it, and checks its imports.
func TestImportsPointDown(t *testing.T) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Imports,CgoFiles,Module", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		seen++
		for _, f := range faults(p) {
			t.Error(f)
		}
	}
	if seen < 3 {
		t.Errorf("go list showed %d packages of the module", seen)
	}
}

// TestRules checks the rules themselves on imports that break them.
func TestRules(t *testing.T) {
	for _, tt := range []struct {
		from, imports, want string
	}{
		{"internal/tensor", "internal/kernel/gemm", ""},
		{"internal/kernel/gemm", "internal/simd", ""},
		{"internal/kernel/gemm", "internal/tensor", "above it"},
		{"internal/sampler", "", "above it"},
		{"internal/weights/gguf", "internal/nn", "above it"},
		{"", "internal/model/reel", ""},
		{"internal/server", "", ""},
		{"internal/server", "internal/store", ""},
		{"internal/worker", "internal/media", ""},
		{"internal/worker", "internal/model/reel", "root package alone"},
		{"internal/server", "internal/engine", "root package alone"},
		{"internal/server", "internal/text", ""},
		{"internal/server", "internal/api/minimax", ""},
		{"internal/api/minimax", "internal/service", ""},
		{"internal/api/minimax", "internal/api/openai", "an API knows no other"},
		{"internal/api/openai", "internal/api/native", "an API knows no other"},
		{"internal/api/native", "internal/api/native/docs", ""},
		{"internal/api/openai", "internal/api/native/docs", "an API knows no other"},
		{"internal/service", "internal/api/native", "above it"},
		{"internal/service", "internal/server", "above it"},
		{"internal/web", "internal/api/minimax", "above it"},
		{"internal/store", "internal/server", "above it"},
		{"cmd/kinora", "internal/world", ""},
		{"internal/surprise", "", "no floor"},
		{"internal/simdx", "", "no floor"},
	} {
		p := pkg{ImportPath: strings.TrimSuffix(module+"/"+tt.from, "/"), Imports: []string{strings.TrimSuffix(module+"/"+tt.imports, "/")}}
		got := strings.Join(faults(p), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q imports %q: %q, want %q", tt.from, tt.imports, got, tt.want)
		}
	}
	if got := faults(pkg{ImportPath: module + "/internal/world", Imports: []string{"os/exec"}}); len(got) != 1 {
		t.Errorf("os/exec outside its door: %q", got)
	}
}

// TestFilesStayShort: a file that grows past 600 lines holds a piece that wants
// a name. Generated files may be as long as they like.
func TestFilesStayShort(t *testing.T) {
	const limit = 600
	generated := regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.$`)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "runs") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		n, free, err := count(path, generated)
		if err == nil && n > limit && !free {
			t.Errorf("%s has %d lines, more than %d", path, n, limit)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count returns the lines of a file and whether one of them says that it is
// generated.
func count(path string, generated *regexp.Regexp) (n int, free bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, true, nil // gone since the folder was listed
	} else if err != nil {
		return 0, false, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		n++
		free = free || generated.Match(s.Bytes())
	}
	return n, free, s.Err()
}
