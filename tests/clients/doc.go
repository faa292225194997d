// Package clients tests the released program through clients that other people
// wrote, unmodified but for the address. It is a module of its own, so that the
// program depends on none of them.
package clients
