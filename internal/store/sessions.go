package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// MaxSessions is how many browsers may be signed in with one key. One more signs
// out the one that signed in first.
const MaxSessions = 100

// Session is a browser that signed in with a key.
type Session struct {
	Hash      []byte // SHA-256 of the secret in its cookie
	Project   int64
	Key       int64
	CreatedAt time.Time
	ExpiresAt time.Time
}

// AddSession writes a session, and removes those that expired or are too many.
func (db *DB) AddSession(ctx context.Context, s Session) error {
	err := db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE expires_at <= $1", millis(tx.now)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash IN (
			SELECT hash FROM sessions WHERE key_id = $1 ORDER BY created_at DESC, hash LIMIT $2 OFFSET $3)`, s.Key, MaxSessions, MaxSessions-1)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO sessions (hash, project, key_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
			hex.EncodeToString(s.Hash), s.Project, s.Key, millis(tx.now), millis(s.ExpiresAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("write a session: %w", err)
	}
	return nil
}

// SessionByHash finds a session that has not expired, with its key, ended or not,
// and its project. A missing one is a job.Error of code NotFound.
func (db *DB) SessionByHash(ctx context.Context, hash []byte) (s Session, k Key, p Project, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		s, k = Session{Hash: hash}, Key{}
		var created, expires int64
		fields, done := keyFields(&k)
		row := q.QueryRowContext(ctx, `SELECT `+qualified("p", projectColumns)+`, `+qualified("k", keyColumns)+`, s.created_at, s.expires_at
			FROM sessions s JOIN api_keys k ON k.id = s.key_id JOIN projects p ON p.id = s.project
			WHERE s.hash = $1 AND s.expires_at > $2`, hex.EncodeToString(hash), millis(db.Now()))
		p, err = scanProject(row, append(fields, &created, &expires)...)
		if errors.Is(err, sql.ErrNoRows) {
			return job.Errorf(job.NotFound, "", "there is no such session")
		} else if err != nil {
			return err
		}
		s.Project, s.Key, s.CreatedAt, s.ExpiresAt = p.ID, k.ID, fromMillis(created), fromMillis(expires)
		return done()
	})
	return s, k, p, err
}

// EndSession removes a session. Ending one that is not there changes nothing.
func (db *DB) EndSession(ctx context.Context, hash []byte) error {
	err := db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM sessions WHERE hash = $1", hex.EncodeToString(hash))
		return err
	})
	if err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}
