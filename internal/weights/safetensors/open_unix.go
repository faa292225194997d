//go:build unix

package safetensors

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open maps a file into memory and checks it. Nothing but its header is read before a tensor is asked for.
func Open(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: opening weights: %w", err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("safetensors: opening weights: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() < 8 || info.Size() != int64(int(info.Size())) {
		return nil, fmt.Errorf("safetensors: %s: not a regular file of at least 8 bytes that fits into memory: %w", path, errTruncated)
	}
	data, err := unix.Mmap(int(r.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("safetensors: mapping %s: %w", path, err)
	}
	f, err := parse(path, data)
	if err != nil {
		_ = unix.Munmap(data) // the error that counts is the first
		return nil, err
	}
	f.unmap = func() error { return unix.Munmap(data) }
	return f, nil
}
