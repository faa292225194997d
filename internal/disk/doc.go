// Package disk knows the disk behind a folder: how much room it has, whether an
// error means that it takes no more, and how a file that was written takes its
// name so that both last. It decides no names; package scratch does, and package
// blob for its keys.
package disk

// Space is the room of a disk, in bytes.
type Space struct {
	Free  uint64 // for this process: what is kept for the superuser is not in it
	Total uint64
}
