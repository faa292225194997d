package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// BenchmarkPosition measures the cost of a new job's position in queues of
// several lengths.
//
//	go test -run '^$' -bench Position -benchtime 200x ./internal/store
func BenchmarkPosition(b *testing.B) {
	for _, projects := range []int{1, 100} {
		for _, queued := range []int{100, 200, 500, 10_000} {
			b.Run(fmt.Sprintf("projects=%d/queued=%d", projects, queued), func(b *testing.B) {
				db := storetest.Open(b, storetest.URL(b, store.SQLite), store.Options{})
				fill(b, db, projects, queued-b.N)
				b.ResetTimer()
				for i := range b.N {
					b.StopTimer()
					j, _, err := db.Submit(b.Context(), submission(int64(1+i%projects)), nil)
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					if _, err := db.Position(b.Context(), j.ID); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// fill submits n jobs, taking turns between so many projects.
func fill(tb testing.TB, db *store.DB, projects, n int) {
	tb.Helper()
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := w; i < n; i += 32 {
				s := submission(int64(1 + i%projects))
				s.Job.Spec.Seconds = float64(1 + i%7)
				if _, _, err := db.Submit(context.Background(), s, nil); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
