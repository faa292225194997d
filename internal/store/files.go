package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/kinora-video/kinora/internal/job"
)

// File is a project's file: an upload, or part of a job's result. Its bytes are
// in the blob store under Key.
type File struct {
	ID, Project int64
	Purpose     string // such as "video_generation", or that of a result
	Name        string // the upload's name, or a generated one
	ContentType string
	Key         string // in the blob store
	SHA256      string // hex
	Bytes       int64
	Job         job.ID // whose result it is; 0 for an upload
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero for never
}

const fileColumns = "id, project, purpose, name, content_type, blob_key, sha256, bytes, job, created_at, expires_at"

func scanFile(row interface{ Scan(...any) error }) (File, error) {
	var f File
	var created, expires int64
	err := row.Scan(&f.ID, &f.Project, &f.Purpose, &f.Name, &f.ContentType, &f.Key, &f.SHA256, &f.Bytes, &f.Job, &created, &expires)
	f.CreatedAt, f.ExpiresAt = fromMillis(created), fromMillis(expires)
	return f, err
}

// AddFile writes a file's row. An ID of 0 is replaced by a new one, and a zero
// CreatedAt by the transaction's time.
func (tx *Tx) AddFile(ctx context.Context, f File) (File, error) {
	if f.ID == 0 {
		f.ID = NewID()
	}
	if f.CreatedAt.IsZero() {
		f.CreatedAt = tx.now
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO files ("+fileColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		f.ID, f.Project, f.Purpose, f.Name, f.ContentType, f.Key, f.SHA256, f.Bytes, int64(f.Job), millis(f.CreatedAt), millis(f.ExpiresAt))
	return f, err
}

// AddFile writes a file's row in a transaction of its own. The bytes must already
// be in the blob store.
func (db *DB) AddFile(ctx context.Context, f File) (out File, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		out, err = tx.AddFile(ctx, f)
		return err
	})
	return out, err
}

// File finds a project's file. A file that does not exist, has expired or belongs
// to another project is job.NotFound.
func (db *DB) File(ctx context.Context, project, id int64) (f File, err error) {
	now := millis(db.Now())
	err = db.Read(ctx, func(q Queryer) error {
		f, err = scanFile(q.QueryRowContext(ctx, "SELECT "+fileColumns+" FROM files WHERE id = $1 AND project = $2 AND (expires_at = 0 OR expires_at > $3)", id, project, now))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return File{}, notFound("file", id)
	}
	return f, err
}

// FileFilter selects files. Project always applies.
type FileFilter struct {
	Project   int64
	Purpose   string // "" is any
	After     int64  // the ID of the last file of the previous page; 0 for the first page
	Ascending bool   // oldest first; else newest first
	Limit     int    // 0 is DefaultPage, at most MaxFiles
}

// MaxFiles is the most that Files lists: a page of ten thousand, and one more
// file that tells whether there is another page.
const MaxFiles = 10_001

// Files lists a page of a project's files by the time they were added. An After
// that names no file is job.Invalid: a deleted file's row is gone, and with it
// the time it was added.
func (db *DB) Files(ctx context.Context, f FileFilter) (files []File, err error) {
	limit := min(f.Limit, MaxFiles)
	if limit <= 0 {
		limit = DefaultPage
	}
	w := &where{}
	w.and("project = " + w.arg(f.Project))
	if f.Purpose != "" {
		w.and("purpose = " + w.arg(f.Purpose))
	}
	w.and("(expires_at = 0 OR expires_at > " + w.arg(millis(db.Now())) + ")")
	order, than := "created_at DESC, id DESC", "<"
	if f.Ascending {
		order, than = "created_at, id", ">"
	}
	err = db.Read(ctx, func(q Queryer) error {
		if f.After != 0 {
			var created int64
			err := q.QueryRowContext(ctx, "SELECT created_at FROM files WHERE id = $1 AND project = $2", f.After, f.Project).Scan(&created)
			if errors.Is(err, sql.ErrNoRows) {
				return job.Errorf(job.Invalid, "after", "after names file %d, which does not exist: list from the beginning, or give the id of an existing file", f.After)
			}
			if err != nil {
				return err
			}
			w.and("(created_at, id) " + than + " (" + w.arg(created) + ", " + w.arg(f.After) + ")")
		}
		query := "SELECT " + fileColumns + " FROM files WHERE " + w.String() + " ORDER BY " + order + " LIMIT " + w.arg(limit)
		rows, err := q.QueryContext(ctx, query, w.args...)
		if err != nil {
			return err
		}
		files, err = collect(rows, scanFile)
		return err
	})
	return files, err
}

// DeleteFile removes a file's row and returns the blob key that is no longer
// needed. A file that does not exist or belongs to another project is
// job.NotFound.
func (db *DB) DeleteFile(ctx context.Context, project, id int64) (key string, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		err := tx.QueryRowContext(ctx, "DELETE FROM files WHERE id = $1 AND project = $2 RETURNING blob_key", id, project).Scan(&key)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound("file", id)
		}
		return err
	})
	return key, err
}

// ExpiredFiles lists expired files of all projects, at most limit, those that
// expired first in front.
func (db *DB) ExpiredFiles(ctx context.Context, now time.Time, limit int) (files []File, err error) {
	err = db.Read(ctx, func(q Queryer) error {
		rows, err := q.QueryContext(ctx, "SELECT "+fileColumns+" FROM files WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2", millis(now), page(limit))
		if err != nil {
			return err
		}
		files, err = collect(rows, scanFile)
		return err
	})
	return files, err
}

// KnownKey reports whether a row still refers to a blob: as a file, as the first
// frame or a sound of a job that is not deleted, or as the latents or preview of an
// unfinished job.
func (db *DB) KnownKey(ctx context.Context, key string) (known bool, err error) {
	if key == "" {
		return false, nil
	}
	var n int
	err = db.Read(ctx, func(q Queryer) error {
		return q.QueryRowContext(ctx, `SELECT
			(SELECT COUNT(*) FROM (SELECT 1 FROM files WHERE blob_key = $1 LIMIT 1) AS a) +
			(SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE first_frame = $1 AND first_frame <> '' LIMIT 1) AS b) +
			(SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE narration = $1 AND narration <> '' LIMIT 1) AS e) +
			(SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE sound = $1 AND sound <> '' LIMIT 1) AS f) +
			(SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE latents = $1 AND latents <> '' LIMIT 1) AS c) +
			(SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE preview = $1 AND preview <> '' LIMIT 1) AS d)`, key).Scan(&n)
	})
	return n > 0, err
}
