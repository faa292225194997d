package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the key of the Postgres advisory lock that is held during
// migrations, as River's have no lock of their own.
const migrationLock = 0x6b696e6f7261 // "kinora"

// migrateTries is how often migrations on SQLite are tried: another process may
// be running them at the same time.
const migrateTries = 5

// migrate brings our tables and River's up to date.
func (db *DB) migrate(ctx context.Context) error {
	if db.dialect == Postgres {
		conn, err := db.writer.Conn(ctx)
		if err != nil {
			return databaseError("update the database's tables", err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
			return databaseError("update the database's tables", err)
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock)) //nolint:errcheck // closing the connection unlocks it too
	}
	var err error
	for try := range migrateTries {
		if err = db.migrateOnce(ctx); err == nil || db.dialect == Postgres {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try+1) * 100 * time.Millisecond):
		}
	}
	if err != nil {
		return fmt.Errorf("update the database's tables: %w", err)
	}
	return nil
}

func (db *DB) migrateOnce(ctx context.Context) error {
	p, err := db.ownMigrations()
	if err != nil {
		return err
	}
	done, err := p.Up(ctx)
	if err != nil {
		return err
	}
	for _, m := range done {
		db.log.Info("the database's tables were migrated", "migration", m.Source.Path, "took", m.Duration)
	}
	return db.migrateRiver(ctx)
}

// ownMigrations returns the migrations of our tables.
func (db *DB) ownMigrations() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	if db.dialect == Postgres {
		dialect = goose.DialectPostgres
	}
	return goose.NewProvider(dialect, db.writer, dir, goose.WithSlog(slog.New(slog.DiscardHandler)))
}

// migrateRiver brings River's tables up to date.
func (db *DB) migrateRiver(ctx context.Context) error {
	var driver riverdriver.Driver[*sql.Tx] = db.sqliteDriver()
	if db.dialect == Postgres {
		driver = riverdatabasesql.New(db.writer)
	}
	r, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = r.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}
