// Package auth identifies the sender of a request: it makes API keys, checks
// them, and limits their requests.
//
// A key is shown once, to whoever created it. Only its SHA-256 is stored, which
// is enough for a key of 256 random bits. So neither the database nor a backup of
// it gives access. Keys have scopes, may expire, can be rotated with a period in
// which the old and the new key both work, and end at once when they are revoked.
//
// The package decides nothing about jobs or files: it returns a Principal, whose
// project every look-up is bound to. It never logs or returns a presented key.
package auth
