package store

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// sqliteDSN is what the driver is given for a file. synchronous=FULL, as with
// less a commit may be undone by a power cut; immediate transactions, so that
// none finds out in its middle that it may not write.
func sqliteDSN(path string, reader bool) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/…
	}
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyWait.Milliseconds()),
		"journal_mode(wal)",
		"synchronous(full)",
		"foreign_keys(1)",
		"cache_size(-16000)", // KiB
		"temp_store(memory)",
	}}
	if reader {
		q.Set("_txlock", "deferred")
		q.Set("_query_only", "1")
	} else {
		q.Set("_txlock", "immediate")
	}
	return "file://" + (&url.URL{Path: p}).EscapedPath() + "?" + q.Encode()
}

// lock is what follows a SELECT whose rows are about to be changed. SQLite has
// one writer and needs none.
func (db *DB) lock() string {
	if db.dialect == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

// skipLocked is lock for a SELECT that takes any row that nobody holds.
func (db *DB) skipLocked() string {
	if db.dialect == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}
