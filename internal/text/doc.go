// Package text reads text that comes from outside: files that people wrote with
// whatever editor they have, the bodies of requests, the answers of other
// services. Every such text passes through here, so all doors treat it alike: a
// byte order mark is taken off, and what is not UTF-8 is refused with the name of
// what it seems to be.
//
// It converts nothing. Only UTF-16 with a mark could be read without guessing,
// and a text that was guessed wrong would be used in silence.
package text
