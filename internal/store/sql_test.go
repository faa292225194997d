package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRiversTables: no text of this package, in Go or in a migration, names one
// of River's tables. River is only used by its API.
func TestRiversTables(t *testing.T) {
	var texts int
	check := func(where, text string) {
		texts++
		if line := namesRiversTable(text); line != "" {
			t.Errorf("%s: %q names a table of River's", where, line)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	for _, name := range sources {
		if name == "sql_test.go" {
			continue // its examples
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				check(files.Position(lit.Pos()).String(), lit.Value)
			}
			return true
		})
	}
	scripts, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d migrations, %v", len(scripts), err)
	}
	for _, name := range scripts {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		check(name, string(script))
	}
	if texts < 100 {
		t.Errorf("only %d texts were looked at", texts)
	}
	for text, is := range map[string]bool{
		"DELETE FROM river_job": true, "SELECT 1 FROM RIVER_LEADER": true, "SELECT 1 FROM jobs\nWHERE id IN (SELECT id FROM river_queue)": true,
		"SELECT * FROM deliveries": false, "github.com/riverqueue/river": false,
	} {
		if got := namesRiversTable(text) != ""; got != is {
			t.Errorf("%q names a table of River's: %v", text, got)
		}
	}
}

// namesRiversTable returns the first line that names one of River's tables, or
// "". The topic that River's producers listen to does not count.
func namesRiversTable(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(strings.ReplaceAll(strings.ToLower(line), insertTopic, ""), "river_") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
