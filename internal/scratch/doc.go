// Package scratch keeps files that are still being written apart from finished
// ones.
//
// A file grows under a hidden name in the folder where it will be, and takes
// its own name when it is complete. Its writer holds a lock on it, which the
// system drops when the process ends, even by SIGKILL. So a later process can
// tell files left behind from files in use, without a clock or a table of
// processes, and removes what was left behind.
//
// Hold gives a folder to one process alone, and Claim the name of a file. Room
// checks whether a folder's disk has room for a number of bytes.
//
// The package never removes a file that it did not name, or one that is in use.
package scratch
