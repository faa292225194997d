//go:build !unix

package terminal

import (
	"os"

	"golang.org/x/term"
)

// Ask asks nothing: there is no way to read an answer that leaves the input alone.
func Ask(_, _ *os.File) Protocol { return Blocks }

// SizeOf returns the size of a terminal.
func SizeOf(f *os.File) Size {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w < 1 || h < 1 {
		return Size{Columns: 80, Rows: 24}
	}
	return Size{Columns: w, Rows: h}
}
