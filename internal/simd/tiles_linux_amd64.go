package simd

import (
	"syscall"
	"unsafe"
)

// These values are from asm/prctl.h and asm/fpu/types.h of Linux 5.16. A
// process must request the tile state, 8 KiB a thread, once before it touches a
// tile.
const (
	archGetXcompPerm = 0x1022
	archReqXcompPerm = 0x1023
	xfeatureTileData = 18
)

// allowTiles asks the system to let this process use AMX and reports whether
// the system agrees. The system refuses if a signal stack is too small for the
// larger state; Go's signal stacks are 32 KiB, which is enough.
func allowTiles() bool {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXcompPerm, xfeatureTileData, 0); errno != 0 {
		return false
	}
	var allowed uint64
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archGetXcompPerm, uintptr(unsafe.Pointer(&allowed)), 0)
	return errno == 0 && allowed>>xfeatureTileData&1 == 1
}
