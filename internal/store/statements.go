package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"sync"
)

// maxStatements bounds how many prepared statements are kept: lists with filters
// have many different texts.
const maxStatements = 256

// statements keeps prepared statements of an SQLite pool by their text. (The
// Postgres driver keeps its own.) A statement cannot be prepared while a
// transaction holds the pool's only connection, so a new text runs unprepared, is
// remembered, and is prepared between transactions.
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

// get returns the prepared statement of a text. If there is none, it returns nil
// and remembers the text for prepare.
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

// prepare prepares the remembered texts. The caller must have no transaction
// open.
func (s *statements) prepare(ctx context.Context) {
	if s == nil {
		return
	}
	s.mu.RLock()
	texts := slices.Collect(maps.Keys(s.wanted))
	s.mu.RUnlock()
	// The lock is not held here: Prepare waits for a connection, whose user may
	// be about to call get.
	for _, text := range texts {
		stmt, err := s.pool.PrepareContext(ctx, text)
		if err != nil {
			continue // it runs unprepared, and then returns its error
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
