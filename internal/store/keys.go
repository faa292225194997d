package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// Limits of keys.
const (
	MaxKeyName     = 100  // bytes
	MaxKeys        = 1000 // keys of one project that have not ended
	MaxKeyRPM      = 10_000_000
	maxTouchedOnce = 500 // keys whose use one transaction writes
)

// Key is an API key, without its secret.
type Key struct {
	ID      int64  `json:"id"`
	Project int64  `json:"project"`
	Name    string `json:"name"`
	Prefix  string `json:"prefix"` // its first characters
	// Hash is the SHA-256 of the whole key.
	Hash        []byte   `json:"-"`
	Scopes      []string `json:"scopes"`
	RPM         int      `json:"rpm"`           // requests a minute; 0 is no limit of its own
	MaxInFlight int      `json:"max_in_flight"` // jobs that wait or run; 0 is no limit of its own

	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`   // zero: never
	LastUsedAt time.Time `json:"last_used_at,omitzero"` // to about a minute
	RevokedAt  time.Time `json:"revoked_at,omitzero"`
}

// Ended reports whether the key is refused at a time because it expired or was
// revoked.
func (k *Key) Ended(now time.Time) bool {
	return !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

func (k *Key) check(now time.Time) error {
	switch {
	case len(k.Hash) != sha256.Size:
		return fmt.Errorf("create a key: its hash has %d bytes", len(k.Hash))
	case k.Name == "" || len(k.Name) > MaxKeyName || strings.ContainsFunc(k.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return job.Errorf(job.Invalid, "name", "a key's name has 1 to %d bytes and no control characters", MaxKeyName)
	case len(k.Scopes) == 0:
		return job.Errorf(job.Invalid, "scopes", "a key without scopes is of no use: give it at least one")
	case k.RPM < 0 || k.RPM > MaxKeyRPM:
		return job.Errorf(job.Invalid, "rpm", "%d requests a minute is out of range: at most %d, or 0 for no limit of its own", k.RPM, MaxKeyRPM)
	case k.MaxInFlight < 0 || k.MaxInFlight > 1_000_000_000:
		return job.Errorf(job.Invalid, "max_in_flight", "%d jobs in flight is out of range: at most 1000000000, or 0 for no limit", k.MaxInFlight)
	case k.Ended(now):
		return job.Errorf(job.Invalid, "expires", "the key would have expired already: choose a time in the future")
	}
	return nil
}

const keyColumns = `id, project, name, prefix, hash, scopes, rpm, max_in_flight, created_at, expires_at, last_used_at, revoked_at`

// keyFields returns the scan destinations of a key's columns; done fills the key
// from them.
func keyFields(k *Key) (fields []any, done func() error) {
	var hash, scopes string
	var created, expires, used, revoked int64
	return []any{&k.ID, &k.Project, &k.Name, &k.Prefix, &hash, &scopes, &k.RPM, &k.MaxInFlight, &created, &expires, &used, &revoked}, func() (err error) {
		k.Scopes = strings.Fields(scopes)
		k.CreatedAt, k.ExpiresAt, k.LastUsedAt, k.RevokedAt = fromMillis(created), fromMillis(expires), fromMillis(used), fromMillis(revoked)
		k.Hash, err = hex.DecodeString(hash)
		return err
	}
}

func scanKey(row interface{ Scan(...any) error }) (Key, error) {
	var k Key
	fields, done := keyFields(&k)
	if err := row.Scan(fields...); err != nil {
		return k, err
	}
	return k, done()
}

// CreateKey stores a new key and sets its ID and CreatedAt.
func (db *DB) CreateKey(ctx context.Context, k Key) (made Key, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		made, err = tx.CreateKey(ctx, k)
		return err
	})
	return made, err
}

// CreateKey is DB.CreateKey within a transaction.
func (tx *Tx) CreateKey(ctx context.Context, k Key) (Key, error) {
	k.ID, k.CreatedAt, k.LastUsedAt, k.RevokedAt = NewID(), tx.Now(), time.Time{}, time.Time{}
	k.ExpiresAt = k.ExpiresAt.Truncate(time.Millisecond)
	if err := k.check(tx.Now()); err != nil {
		return Key{}, err
	}
	var live int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM api_keys WHERE project = $1 AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $2)`,
		k.Project, millis(tx.Now())).Scan(&live)
	switch {
	case err != nil:
		return Key{}, err
	case live >= MaxKeys:
		return Key{}, job.Errorf(job.TooMany, "", "the project has %d keys: revoke some first", live)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0)`,
		k.ID, k.Project, k.Name, k.Prefix, hex.EncodeToString(k.Hash), strings.Join(k.Scopes, " "), k.RPM, k.MaxInFlight, millis(k.CreatedAt), millis(k.ExpiresAt))
	if err != nil {
		return Key{}, fmt.Errorf("create the key %s: %w", k.Name, err)
	}
	return k, nil
}

// KeyByHash finds a key, ended or not, and its project by the SHA-256 of the
// whole key. A missing key is a job.Error of code NotFound.
func (db *DB) KeyByHash(ctx context.Context, hash []byte) (k Key, p Project, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		k = Key{}
		fields, done := keyFields(&k)
		row := q.QueryRowContext(ctx, `SELECT `+qualified("p", projectColumns)+`, `+qualified("k", keyColumns)+`
			FROM api_keys k JOIN projects p ON p.id = k.project WHERE k.hash = $1`, hex.EncodeToString(hash))
		p, err = scanProject(row, fields...)
		if errors.Is(err, sql.ErrNoRows) {
			return job.Errorf(job.NotFound, "", "there is no such key")
		} else if err != nil {
			return err
		}
		return done()
	})
	return k, p, err
}

// qualified puts a table's name before each column of a list.
func qualified(table, columns string) string {
	return table + "." + strings.ReplaceAll(columns, ", ", ", "+table+".")
}

// Key returns one of a project's keys.
func (db *DB) Key(ctx context.Context, project, id int64) (k Key, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		k, err = scanKey(q.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE project = $1 AND id = $2`, project, id))
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("key", id)
		}
		return err
	})
	return k, err
}

// Keys lists a project's keys, oldest first, including those that ended.
func (db *DB) Keys(ctx context.Context, project int64) (out []Key, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		out = nil
		rows, err := q.QueryContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE project = $1 ORDER BY created_at, id`, project)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			k, err := scanKey(rows)
			if err != nil {
				return err
			}
			out = append(out, k)
		}
		return rows.Err()
	})
	return out, err
}

// RevokeKey ends a key now. Revoking it again changes nothing.
func (db *DB) RevokeKey(ctx context.Context, project, id int64) (k Key, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		k, err = scanKey(tx.QueryRowContext(ctx, `UPDATE api_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END
			WHERE project = $1 AND id = $2 RETURNING `+keyColumns, project, id, millis(tx.Now())))
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("key", id)
		}
		return err
	})
	return k, err
}

// RotateKey creates a key that replaces an old one and has its name, scopes and
// limits. The old key keeps working for the overlap; 0 ends it at once. Of made
// only Hash, Prefix and ExpiresAt are used.
func (db *DB) RotateKey(ctx context.Context, project, id int64, made Key, overlap time.Duration) (k Key, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		old, err := scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE project = $1 AND id = $2`+tx.Lock(), project, id))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return notFound("key", id)
		case err != nil:
			return err
		case old.Ended(tx.Now()):
			return job.Errorf(job.Conflict, "", "the key %s has already ended: create a new one", old.Prefix)
		}
		next := old
		next.Hash, next.Prefix, next.ExpiresAt = made.Hash, made.Prefix, made.ExpiresAt
		if k, err = tx.CreateKey(ctx, next); err != nil {
			return err
		}
		until := tx.Now().Add(overlap)
		if !old.ExpiresAt.IsZero() && old.ExpiresAt.Before(until) {
			until = old.ExpiresAt
		}
		_, err = tx.ExecContext(ctx, `UPDATE api_keys SET expires_at = $2 WHERE id = $1`, id, millis(until))
		return err
	})
	return k, err
}

// TouchKeys writes when keys were last used. A time older than the stored one
// changes nothing.
func (db *DB) TouchKeys(ctx context.Context, used map[int64]time.Time) error {
	ids := slices.Sorted(maps.Keys(used)) // one order of locking, so that two of these cannot deadlock
	for batch := range slices.Chunk(ids, maxTouchedOnce) {
		err := db.Write(ctx, func(tx *Tx) error {
			for _, id := range batch {
				if _, err := tx.ExecContext(ctx, `UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND last_used_at < $2`, id, millis(used[id])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write the last use of keys: %w", err)
		}
	}
	return nil
}

// KeyOfAny returns a key of any project. It is for the operator alone.
func (db *DB) KeyOfAny(ctx context.Context, id int64) (k Key, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		k, err = scanKey(q.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("key", id)
		}
		return err
	})
	return k, err
}
