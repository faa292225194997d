// Package archtest keeps the shape of the house by tests: which package may
// import which, where the outside world may be touched, how long a file may
// grow, and whether the pages of documentation tell of what is there. It holds
// no code that runs elsewhere.
package archtest
