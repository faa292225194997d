package storetest

import (
	"os"
	"testing"

	"github.com/kinora-video/kinora/internal/store"
)

// Dialects are those that URL has a database for: SQLite, and Postgres where
// there is one. It is for what asks both at the same time.
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
