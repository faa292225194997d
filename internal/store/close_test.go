package store_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// TestCloseIsWhole: Close waits for users of a connection. Afterwards SQLite's
// log is copied into the database's file and removed.
func TestCloseIsWhole(t *testing.T) {
	for name, use := range map[string]func(db *store.DB, began, release chan struct{}) error{
		"a read": func(db *store.DB, began, release chan struct{}) error {
			return db.Read(context.Background(), func(q store.Queryer) error {
				var n int
				err := q.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM projects").Scan(&n)
				close(began)
				<-release
				return err
			})
		},
		"a cancelled read": func(db *store.DB, began, release chan struct{}) error {
			ctx, cancel := context.WithCancel(context.Background())
			_ = db.Read(ctx, func(q store.Queryer) error {
				rows, err := q.QueryContext(ctx, "SELECT id FROM projects")
				if err != nil {
					return err
				}
				defer rows.Close()
				close(began)
				<-release
				cancel()
				return rows.Err()
			})
			return nil // the error is expected
		},
		"nobody": func(_ *store.DB, began, _ chan struct{}) error {
			close(began)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kinora.db")
			db, err := store.Open(t.Context(), path, store.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			p, err := db.CreateProject(t.Context(), store.Project{Name: "acme", Plan: "payg", Weight: 1})
			if err != nil {
				t.Fatal(err)
			}
			began, release := make(chan struct{}), make(chan struct{})
			var users sync.WaitGroup
			users.Go(func() {
				if err := use(db, began, release); err != nil {
					t.Error(err)
				}
			})
			<-began
			closed := make(chan error)
			go func() { closed <- db.Close() }()
			for job.CodeOf(db.Ping(t.Context())) != job.Unavailable {
				time.Sleep(time.Millisecond)
			}
			if name != "nobody" {
				select { // time for a Close that does not wait
				case <-closed:
					t.Fatal("Close did not wait for the user of a connection")
				case <-time.After(30 * time.Millisecond):
				}
			}
			close(release)
			if err := <-closed; err != nil {
				t.Error(err)
			}
			users.Wait()
			if info, err := os.Stat(path + "-wal"); err == nil {
				t.Errorf("a log of %d bytes is left", info.Size())
			}
			// The file alone holds everything.
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			alone := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(alone, text, 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := store.Open(t.Context(), alone, store.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if got, err := again.ProjectNamed(t.Context(), "acme"); err != nil || got.ID != p.ID {
				t.Errorf("a copy of the file has %+v, %v", got, err)
			}
		})
	}
}
