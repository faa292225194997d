package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var testName = regexp.MustCompile(`^Test[A-Z]\w*$`)

// TestTestsInDocs: a test that a page names, as the one that holds a promise, is
// there.
func TestTestsInDocs(t *testing.T) {
	root := filepath.Join("..", "..")
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "runs") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for path, page := range pages(t) {
		for _, span := range code(page) {
			if !testName.MatchString(span) {
				continue
			}
			named++
			if !there[span] {
				t.Errorf("%s names the test %s, which is not there", path, span)
			}
		}
	}
	if named < 10 {
		t.Errorf("the pages name %d tests, want those of docs/jobs.md at least", named)
	}
}
