// Package auth says who a request comes from: it makes API keys, knows them
// again, and counts their requests.
//
// A key is shown once, to who had it made. What is kept is its SHA-256, which
// is enough for a key of 256 random bits; so neither the database nor a backup
// of it lets anybody in. Keys have scopes, may expire, can be rotated with a
// time in which the old and the new one both work, and end at once when they
// are revoked.
//
// The package decides nothing about jobs or files: it hands out a Principal,
// whose project is what every look-up is bound to. It never logs or returns a
// presented key.
package auth
