// Package storetest runs tests on both databases. SQLite is always available.
// Postgres is available if KINORA_TEST_POSTGRES has its address, or if its
// programs are installed; then the package starts a private cluster without fsync
// that ends with the tests. It is for tests alone.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kinora-video/kinora/internal/store"
)

// Variable names the environment variable with the address of a Postgres whose
// user may create schemas. Each test uses a schema of its own.
const Variable = "KINORA_TEST_POSTGRES"

// Each runs a test on each available database.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachWith(t, store.Options{}, test)
}

// EachWith is Each with options.
func EachWith(t *testing.T, o store.Options, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, dialect := range []string{store.SQLite, store.Postgres} {
		t.Run(dialect, func(t *testing.T) {
			test(t, Open(t, URL(t, dialect), o))
		})
	}
}

// Open opens a database that is closed with the test.
func Open(t testing.TB, url string, o store.Options) *store.DB {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db, err := store.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}

// URL returns the address of a new, empty database of a dialect. It skips the
// test if there is no such server.
func URL(t testing.TB, dialect string) string {
	t.Helper()
	if dialect == store.SQLite {
		return "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "kinora.db"))
	}
	base := os.Getenv(Variable)
	if base == "" {
		var err error
		if base, err = sharedCluster(); err != nil {
			t.Fatalf("start a Postgres for tests: %v", err)
		}
	}
	if base == "" {
		t.Skipf("Postgres is not installed, and %s is not set", Variable)
	}
	return schema(t, base)
}

// schema makes a schema that is dropped at the end of the test, and returns the
// database's address with it.
func schema(t testing.TB, base string) string {
	t.Helper()
	name := fmt.Sprintf("kinora_%d", store.NewID())
	exec := func(statement string) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := pgx.Connect(ctx, base)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, statement)
		return err
	}
	if err := exec("CREATE SCHEMA " + name); err != nil {
		t.Fatalf("make a schema in the test's Postgres: %v", err)
	}
	t.Cleanup(func() {
		if err := exec("DROP SCHEMA " + name + " CASCADE"); err != nil {
			t.Errorf("drop the test's schema: %v", err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}
