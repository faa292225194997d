//go:build unix

package media

import "syscall"

// ownGroup gives a tool a process group of its own. A terminal sends the signals of
// Ctrl-C and of its closing to the whole group of this process. A tool that they
// killed could not finish the work that this process still needs.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
