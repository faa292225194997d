// Package disk asks the system about the disk behind a folder: how much room it
// has, and whether an error means that it takes no more. It reads and writes no
// files.
package disk

// Space is the room of a disk, in bytes.
type Space struct {
	Free  uint64 // for this process: what is kept for the superuser is not in it
	Total uint64
}
