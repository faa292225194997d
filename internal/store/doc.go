// Package store is the platform's memory and the only door to SQL: jobs and
// their files, the fair share between projects, the queue (River), tenants and
// their keys, the ledger, and webhooks. It runs on SQLite, a file that one
// machine needs nothing else for, and on Postgres, which workers on many
// machines share; the same statements run on both.
//
// What it promises: a job that Submit accepted is never lost; every write of a
// worker names the attempt it belongs to, and one whose attempt is over is told
// job.ErrLate, so at most one result becomes visible; whatever must be true
// together is written in one transaction, the queue's entry included.
//
// It never holds media (that is package blob), never makes network connections
// but to its database, and never shows the database's own errors to customers:
// those who may retry get a job.Error of code job.Unavailable.
package store
