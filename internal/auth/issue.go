package auth

import (
	"context"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
)

// MaxOverlap is how long an old key may work beside the one that replaces it.
const MaxOverlap = 90 * 24 * time.Hour

// Issue makes a key. It uses Project, Name, Scopes (none means CustomerScopes),
// RPM, MaxInFlight and ExpiresAt of k. key is the key itself; it is not stored,
// so it must be shown now.
func Issue(ctx context.Context, db *store.DB, k store.Key) (key string, made store.Key, err error) {
	err = db.Write(ctx, func(tx *store.Tx) error {
		key, made, err = issue(ctx, tx, k)
		return err
	})
	return key, made, err
}

func issue(ctx context.Context, tx *store.Tx, k store.Key) (key string, made store.Key, err error) {
	if len(k.Scopes) == 0 {
		k.Scopes = CustomerScopes()
	}
	if k.Scopes, err = checkScopes(k.Scopes); err != nil {
		return "", store.Key{}, err
	}
	key = newKey()
	h := hashOf(key)
	k.Hash, k.Prefix = h[:], shown(key)
	if made, err = tx.CreateKey(ctx, k); err != nil {
		return "", store.Key{}, err
	}
	return key, made, nil
}

// Rotate makes a key with the name, scopes and limits of an old one. The old key
// keeps working for overlap, at most MaxOverlap; 0 ends it at once. expires is
// when the new key ends; the zero time is never.
func Rotate(ctx context.Context, db *store.DB, project, id int64, overlap time.Duration, expires time.Time) (key string, made store.Key, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return "", store.Key{}, job.Errorf(job.Invalid, "overlap", "an overlap of %v is out of range: 0 to %v", overlap, MaxOverlap)
	}
	key = newKey()
	h := hashOf(key)
	made, err = db.RotateKey(ctx, project, id, store.Key{Hash: h[:], Prefix: shown(key), ExpiresAt: expires}, overlap)
	if err != nil {
		return "", store.Key{}, err
	}
	return key, made, nil
}

// The project that the first start creates.
const (
	DefaultProject = "default"
	DefaultPlan    = "unlimited"
)

// FirstKeys are the keys of a first start, to be shown once. At any other start
// they are empty.
type FirstKeys struct {
	API   string // of the default project, with the customers' scopes
	Admin string // likewise, with every scope
}

// Bootstrap creates a default project and its keys if there is no project yet. If
// several processes start at once, one of them does it. The project may owe
// without a limit, so that self-hosters need not think of money; its usage is
// metered all the same.
func Bootstrap(ctx context.Context, db *store.DB) (first FirstKeys, err error) {
	err = db.Write(ctx, func(tx *store.Tx) error {
		first = FirstKeys{}
		if has, err := tx.HasProjects(ctx); err != nil || has {
			return err
		}
		p, err := tx.CreateProject(ctx, store.Project{Name: DefaultProject, Plan: DefaultPlan, Postpaid: true, Weight: 1})
		if err != nil {
			return err
		}
		if first.API, _, err = issue(ctx, tx, store.Key{Project: p.ID, Name: "first start", Scopes: CustomerScopes()}); err != nil {
			return err
		}
		first.Admin, _, err = issue(ctx, tx, store.Key{Project: p.ID, Name: "first start, admin", Scopes: Scopes()})
		return err
	})
	var e *job.Error
	if errors.As(err, &e) && e.Code == job.Conflict { // another process was first
		first, err = FirstKeys{}, nil
	}
	if err != nil {
		return FirstKeys{}, err
	}
	return first, nil
}
