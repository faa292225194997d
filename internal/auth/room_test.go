package auth

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// TestGuessesDriveOutNoKeys: however many bad keys are presented, good ones stay
// cached and the cache stays bounded.
func TestGuessesDriveOutNoKeys(t *testing.T) {
	db := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{})
	a := New(db, Options{})
	until := db.Now().Add(a.o.Remember)
	good := sha256.Sum256([]byte("good"))
	a.remember(good, answer{until: until}, 0)
	bad := job.Errorf(job.Unauthorized, "", "there is no such key")
	for i := range maxKnown + 10 {
		a.remember(sha256.Sum256(fmt.Append(nil, i)), answer{err: bad, until: until}, 0)
	}
	if _, ok := a.known[good]; !ok {
		t.Error("the good key was forgotten")
	}
	if len(a.known) > maxKnown || len(a.known) < 2 || len(a.existing) != 1 {
		t.Errorf("%d keys are remembered, %d were good", len(a.known), len(a.existing))
	}
	for i := range maxKnown + 10 {
		a.remember(sha256.Sum256(fmt.Append(nil, i)), answer{until: until}, 0)
	}
	if len(a.known) > maxKnown || len(a.existing) > maxKnown {
		t.Errorf("%d good keys are remembered, and %d for longer", len(a.known), len(a.existing))
	}
}
