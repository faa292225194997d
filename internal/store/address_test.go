package store_test

import (
	"os"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/store"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"kinora.db": "kinora.db", "/var/lib/kinora.db": "/var/lib/kinora.db", "./host=a": "./host=a", "../a:b.db": "../a:b.db",
		"sqlite:///var/k.db": "/var/k.db", "sqlite://k.db": "k.db", "SQLite:///k.db": "/k.db", "sqlite:///C:/k.db": "C:/k.db", `C:\k\kinora.db`: `C:\k\kinora.db`,
		"my data/kinora 2.db": "my data/kinora 2.db", "a@b.db": "a@b.db",
	} {
		if at, err := store.ParseAddress(in); err != nil || at.Dialect != store.SQLite || at.File != want {
			t.Errorf("%q: %+v, %v, want the file %q", in, at, err, want)
		}
	}
	for _, in := range []string{
		"postgres://kinora@db/kinora", "postgresql://u:p%40ss@db:5432/k?sslmode=disable", "Postgres://u@/k?host=/run/postgresql", "postgres://",
	} {
		if at, err := store.ParseAddress(in); err != nil || at.Dialect != store.Postgres {
			t.Errorf("%q: %+v, %v, want Postgres", in, at, err)
		}
	}
}

// TestForeignAddresses: an address of another kind creates no file, and its error
// repeats no secret of it.
func TestForeignAddresses(t *testing.T) {
	t.Chdir(t.TempDir())
	for in, want := range map[string]string{
		"host=localhost password=topsecret dbname=kinora":    "keywords",
		"password = topsecret host=h":                        "keywords",
		"Server=h;Database=k;User Id=u;Pwd=topsecret":        "keywords",
		"jdbc:postgresql://h/k?user=u&password=topsecret":    "keywords",
		"jdbc:postgresql://h/topsecret":                      "another kind",
		"file:kinora.db?_auth_pass=topsecret":                "another kind",
		"postgres:topsecret@h/k":                             "another kind",
		"u:topsecret@tcp(h:3306)/k":                          "account",
		`"postgres://u:topsecret@h/k"`:                       "another kind",
		" postgres://u:topsecret@h/k":                        "another kind",
		"1u:topsecret@h":                                     "account",
		"mysql://u:topsecret@h/k":                            `"mysql"`,
		"sqlite:///k.db?key=topsecret":                       "no parameters",
		"sqlite://":                                          "names no file",
		":memory:":                                           "in memory",
		"":                                                   "no address",
		"postgres://u:top/secret@h/k":                        "%2F",
		"postgres://u:top#secret@h/k":                        "%2F",
		"postgres://u:top?secret@h/k":                        "%2F",
		"postgres://u:1234/secret@h/k":                       "%2F",
		"postgres://u:top%secret@h/k":                        "%2F",
		"postgres://u:topsecret@h:port/k":                    "%2F",
		"postgres://u:topsecret@h/k?sslmode=topsecret-or-so": "sslmode",
		"postgres://u:topsecret@h/k?connect_timeout=soon":    "connect_timeout",
	} {
		_, err := store.ParseAddress(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
		db, err := store.Open(t.Context(), in, store.Options{})
		if err == nil {
			db.Close()
			t.Errorf("%q was opened", in)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", in, err)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("files were made: %v, %v", left, err)
	}
}
