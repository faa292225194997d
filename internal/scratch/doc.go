// Package scratch keeps what is still being made apart from what is finished,
// on disk.
//
// A file grows under a hidden name in the folder where it will be, and takes
// its own name when it is whole. Its maker holds a lock on it, which the system
// drops when the process ends, even by SIGKILL. So a later process can tell
// what was left behind from what is in use, without asking a clock or a table
// of processes, and removes it.
//
// Hold gives a folder to one process alone, and Claim the name of a file. Room
// finds out whether a folder's disk has room for what is to come.
//
// The package never removes a file that it did not name, or that is in use.
package scratch
