package storetest

import (
	"os"
	"testing"

	"github.com/kinora-video/kinora/internal/store"
)

// Dialects returns the dialects that URL has a database for: SQLite, and Postgres
// if available. It is for tests that use both at the same time.
func Dialects(t testing.TB) []string {
	t.Helper()
	base := os.Getenv(Variable)
	if base == "" {
		var err error
		if base, err = sharedCluster(); err != nil {
			t.Fatalf("start a Postgres for tests: %v", err)
		}
	}
	if base == "" {
		return []string{store.SQLite}
	}
	return []string{store.SQLite, store.Postgres}
}
