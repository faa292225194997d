// Package store is the platform's memory and the only door to SQL: jobs and their
// files, the fair share between projects, the queue (River), tenants and their
// keys, the ledger, and webhooks. It runs on SQLite, where one file on one
// machine is all it needs, and on Postgres, which workers on many machines share.
// The same statements run on both.
//
// Its promises: a job that Submit accepted is never lost. Every write of a worker
// names the attempt it belongs to, and fails with job.ErrLate once that attempt
// is over, so at most one result becomes visible. Changes that must hold together
// are written in one transaction, together with the queue's entry.
//
// The package never holds media (that is package blob), never makes network
// connections except to its database, and never shows the database's own errors
// to customers: if a request may be tried again, its error is a job.Error of code
// job.Unavailable.
package store
