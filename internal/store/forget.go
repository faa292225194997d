package store

import (
	"context"
	"time"
)

// ForgetJobs removes jobs that ended before a time, at most limit of them, with
// their files' rows. It returns the blob keys that nobody needs any more and how
// many jobs there were. What they cost stays in the ledger.
func (db *DB) ForgetJobs(ctx context.Context, before time.Time, limit int) (keys []string, n int, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		keys, n = nil, 0
		rows, err := tx.QueryContext(ctx, `SELECT id FROM jobs WHERE finished_at > 0 AND finished_at < $1 ORDER BY finished_at LIMIT $2`+tx.Lock(), millis(before), page(limit))
		if err != nil {
			return err
		}
		ids, err := collect(rows, func(row interface{ Scan(...any) error }) (id int64, err error) {
			err = row.Scan(&id)
			return id, err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			rows, err := tx.QueryContext(ctx, "DELETE FROM files WHERE job = $1 AND job > 0 RETURNING blob_key", id)
			if err != nil {
				return err
			}
			gone, err := collect(rows, func(row interface{ Scan(...any) error }) (key string, err error) {
				err = row.Scan(&key)
				return key, err
			})
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM jobs WHERE id = $1", id); err != nil {
				return err
			}
			keys = append(keys, gone...)
		}
		n = len(ids)
		return nil
	})
	return keys, n, err
}
