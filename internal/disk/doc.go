// Package disk knows the disk behind a folder: how much room it has, whether an
// error means that it is full, and how a written file takes its name so that
// both last. It chooses no names; package scratch does, and package blob for
// its keys.
package disk

// Space is the room of a disk, in bytes.
type Space struct {
	Free  uint64 // for this process: without the superuser's reserve
	Total uint64
}
