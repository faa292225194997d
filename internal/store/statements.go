package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"sync"
)

// maxStatements bounds the prepared statements that are kept; lists with many
// filters have many texts.
const maxStatements = 256

// statements keeps prepared statements of a pool of SQLite by their text. (The
// driver of Postgres keeps its own.) A statement cannot be prepared while a
// transaction has the pool's only connection, so a text that is new runs
// unprepared, is noted, and is prepared between transactions.
type statements struct {
	pool *sql.DB

	mu     sync.RWMutex
	ready  map[string]*sql.Stmt
	wanted map[string]bool
	closed bool
}

func newStatements(pool *sql.DB) *statements {
	return &statements{pool: pool, ready: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

// get returns the statement of a text, or nil, and then notes the text.
func (s *statements) get(text string) *sql.Stmt {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	stmt, noted := s.ready[text], s.wanted[text]
	full := len(s.ready)+len(s.wanted) >= maxStatements
	s.mu.RUnlock()
	if stmt == nil && !noted && !full {
		s.mu.Lock()
		s.wanted[text] = true
		s.mu.Unlock()
	}
	return stmt
}

// prepare prepares what was noted. The caller may have no transaction open.
func (s *statements) prepare(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.RLock()
	texts := slices.Collect(maps.Keys(s.wanted))
	s.mu.RUnlock()
	// Not under the lock: this waits for a connection, whose user may be about
	// to ask for a statement.
	for _, text := range texts {
		stmt, err := s.pool.PrepareContext(ctx, text)
		if err != nil {
			continue // it runs unprepared, and says itself what is wrong with it
		}
		s.mu.Lock()
		if s.ready[text] != nil || s.closed {
			stmt.Close()
		} else {
			s.ready[text] = stmt
		}
		delete(s.wanted, text)
		s.mu.Unlock()
	}
}

func (s *statements) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.ready {
		stmt.Close()
	}
	clear(s.ready)
	s.closed = true
}
