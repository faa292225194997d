//go:build unix

package safetensors

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open maps a file into memory and checks it. It reads only the header; tensors are read when they are used.
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
		_ = unix.Munmap(data) // the first error is the one to return
		return nil, err
	}
	f.mapped = data
	c := runtime.AddCleanup(f, func(data []byte) { _ = unix.Munmap(data) }, data) // for a file that nobody closed
	f.unmap = func() error {
		c.Stop()
		return unix.Munmap(data)
	}
	return f, nil
}

// Prefetch implements tensor.Source.
func (f *File) Prefetch(b []byte) {
	if page, ok := f.pages(b, false); ok {
		_ = unix.Madvise(page, unix.MADV_WILLNEED) // advice
	}
}

// Release implements tensor.Source: it returns the whole pages of b to the system.
func (f *File) Release(b []byte) {
	if page, ok := f.pages(b, true); ok {
		_ = unix.Madvise(page, unix.MADV_DONTNEED) // the file still has them
	}
}

// pages returns the mapped pages that hold b; with inside, only those that hold nothing else.
func (f *File) pages(b []byte, inside bool) ([]byte, bool) {
	if f.mapped == nil || len(b) == 0 {
		return nil, false
	}
	size := os.Getpagesize()
	lo := int(uintptr(unsafe.Pointer(&b[0])) - uintptr(unsafe.Pointer(&f.mapped[0])))
	hi := lo + len(b)
	if inside {
		lo, hi = (lo+size-1)/size*size, hi/size*size
	} else {
		lo, hi = lo/size*size, min((hi+size-1)/size*size, len(f.mapped))
	}
	if lo < 0 || lo >= hi || hi > len(f.mapped) {
		return nil, false
	}
	return f.mapped[lo:hi], true
}
