package store

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// sqliteDSN is the driver's data source name for a file. synchronous=FULL, as a
// weaker setting lets a power cut undo a commit. Transactions are immediate, so
// that none learns halfway that it may not write.
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

// lock is the clause after a SELECT whose rows are about to be changed. SQLite
// has one writer and needs none.
func (db *DB) lock() string {
	if db.dialect == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

// skipLocked is the clause after a SELECT that takes any row that no other
// transaction has locked.
func (db *DB) skipLocked() string {
	if db.dialect == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}
