//go:build unix

package media

import "syscall"

// ownGroup gives a tool a process group of its own. A terminal sends Ctrl-C,
// and word of its closing, to the whole group of this process, and a tool that
// ends by it breaks what its caller still means to finish.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
