//go:build unix

package terminal

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// patience is how long a terminal may take to answer.
const patience = 300 * time.Millisecond

// Ask asks the terminal what it can, and reads its answer from in. It does so only if
// both are terminals and the process is in the foreground. Input that came before the
// answer is lost; what comes late of it is dropped.
func Ask(in, out *os.File) Protocol {
	fd := int(in.Fd())
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil || group != unix.Getpgrp() || !term.IsTerminal(fd) || !term.IsTerminal(int(out.Fd())) {
		return Blocks
	}
	before, err := term.MakeRaw(fd)
	if err != nil {
		return Blocks
	}
	defer func() { _ = term.Restore(fd, before) }()
	if _, err := out.WriteString(question); err != nil {
		return Blocks
	}
	var reply []byte
	const most = 1 << 10
	for end := time.Now().Add(patience); len(reply) < most; {
		left := time.Until(end)
		if left <= 0 {
			break
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err == unix.EINTR {
			continue
		}
		if n < 1 {
			break
		}
		var b [256]byte
		if n, err = unix.Read(fd, b[:]); n < 1 || err != nil {
			break
		}
		reply = append(reply, b[:n]...)
		if p, whole := answered(reply); whole {
			return p
		}
	}
	return Blocks
}

// SizeOf returns the size of a terminal, with that of its cells where it says so.
func SizeOf(f *os.File) Size {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return Size{Columns: 80, Rows: 24}
	}
	return Size{Columns: int(ws.Col), Rows: int(ws.Row), CellWidth: int(ws.Xpixel) / int(ws.Col), CellHeight: int(ws.Ypixel) / int(ws.Row)}
}
