// Package simd knows which vector instructions this CPU has and which of them
// the kernels are to use, and it splits work over the CPU's cores.
//
// The level is chosen once at start-up: the best the CPU has, or what
// KINORA_SIMD=amx|avx512|avx2|go asks for, never more than the CPU has. The number
// of threads is GOMAXPROCS, or KINORA_THREADS.
//
// It never holds a kernel itself and never decides how a result is computed
// from the number of threads: For hands out blocks whose borders depend on the
// caller's grain alone, so that a kernel built on it gives the same bytes for
// any number of threads.
package simd

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// Level is a family of vector instructions; a higher one includes the lower.
type Level uint8

const (
	// Go is plain Go, on any architecture.
	Go Level = iota
	// AVX2 is AVX2 with FMA3.
	AVX2
	// AVX512 is AVX-512 F, BW, DQ and VL; BF16 and VNNI report two extensions.
	AVX512
	// AMX is AVX512 with BF16 and VNNI, and AMX: tiles of bf16 and of int8.
	AMX
)

// String returns the name that KINORA_SIMD takes: "go", "avx2", "avx512" or
// "amx".
func (l Level) String() string {
	switch l {
	case Go:
		return "go"
	case AVX2:
		return "avx2"
	case AVX512:
		return "avx512"
	case AMX:
		return "amx"
	}
	return "Level(" + strconv.Itoa(int(l)) + ")"
}

var (
	current atomic.Uint32
	threads atomic.Int64
	envErr  error
)

func init() {
	level, n, err := fromEnv(os.Getenv("KINORA_SIMD"), os.Getenv("KINORA_THREADS"))
	current.Store(uint32(level))
	threads.Store(int64(n))
	envErr = err
}

// fromEnv turns the two environment variables into a level and a number of
// threads. err describes a value that was not understood or is not available.
func fromEnv(level, count string) (Level, int, error) {
	best, n := highest(), runtime.GOMAXPROCS(0)
	var errs []string
	if level != "" {
		switch want, ok := parseLevel(level); {
		case !ok:
			errs = append(errs, fmt.Sprintf("KINORA_SIMD=%q is none of amx, avx512, avx2, go: using %v", level, best))
		case want > best:
			errs = append(errs, fmt.Sprintf("KINORA_SIMD=%s is more than this CPU has: using %v", level, best))
		default:
			best = want
		}
	}
	if count != "" {
		if v, err := strconv.Atoi(count); err == nil && v > 0 {
			n = v
		} else {
			errs = append(errs, fmt.Sprintf("KINORA_THREADS=%q is not a positive number: using %d", count, n))
		}
	}
	if errs != nil {
		return best, n, fmt.Errorf("simd: %s", strings.Join(errs, "; "))
	}
	return best, n, nil
}

func parseLevel(s string) (Level, bool) {
	for l := Go; l <= AMX; l++ {
		if strings.EqualFold(s, l.String()) {
			return l, true
		}
	}
	return Go, false
}

// highest is the best level the CPU has.
var highest = sync.OnceValue(detect)

// detect asks the CPU for its features and the system for leave to use tiles.
// All fields of cpu.X86 are false on other architectures, and where the system
// does not save the registers.
func detect() Level {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA
	avx512 := avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL
	switch {
	case avx512 && x.HasAVX512BF16 && x.HasAVX512VNNI && x.HasAMXTile && x.HasAMXBF16 && x.HasAMXInt8 && allowTiles():
		return AMX
	case avx512:
		return AVX512
	case avx2:
		return AVX2
	}
	return Go
}

// EnvError describes a KINORA_SIMD or KINORA_THREADS that could not be
// followed, for a command to print; nil if both are fine.
func EnvError() error { return envErr }

// Current returns the level that kernels use now.
func Current() Level { return Level(current.Load()) }

// BF16 reports whether AVX512_BF16 (VDPBF16PS) may be used at the current level.
func BF16() bool { return Current() >= AVX512 && cpu.X86.HasAVX512BF16 }

// VNNI reports whether AVX512_VNNI (VPDPBUSD) may be used at the current level.
func VNNI() bool { return Current() >= AVX512 && cpu.X86.HasAVX512VNNI }

// Use makes l the current level and returns a function that restores the
// previous one. If the CPU lacks l, ok is false and nothing changes. Use is for
// tests and benchmarks; kernels that run in other goroutines at the same time
// may use either level.
func Use(l Level) (restore func(), ok bool) {
	if l > highest() {
		return func() {}, false
	}
	before := current.Swap(uint32(l))
	return func() { current.Store(before) }, true
}

// Levels returns the levels this CPU has, lowest first.
func Levels() []Level {
	var all []Level
	for l := Go; l <= highest(); l++ {
		all = append(all, l)
	}
	return all
}

// Threads returns how many workers For uses at most, the caller among them.
func Threads() int { return int(threads.Load()) }

// SetThreads sets what Threads returns; less than 1 means 1.
func SetThreads(n int) { threads.Store(int64(max(n, 1))) }
