package media

import "syscall"

// ownGroup gives a tool a process group of its own, so that Ctrl-C in a terminal
// reaches only this process, which decides what is to be finished.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
