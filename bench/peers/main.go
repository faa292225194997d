// Peers compares Kinora's matrix products with OpenBLAS (f32) and oneDNN (bf16,
// int8) in one run. It prints a line per type, size and number of threads, both
// sides' GFLOP/s and the ratio last, and fails where a ratio is below its bar.
//
// Both sides' calls are timed by turns and the best of each counts, so that
// whatever else the machine does hits both. In f32 both pack both operands in
// the call. In bf16 and int8 both have the weights prepared before; oneDNN is
// handed activations in bf16 or u8 already, Kinora takes f32 and rounds or
// quantises them in the call. In int8q oneDNN gets f32 as well and reorders it
// to u8 in the call, with a scale that it knows before, which Kinora has to find
// for each row.
package main

/*
#cgo LDFLAGS: -ldnnl -lopenblas -lgomp
#cgo CFLAGS: -O2 -fopenmp
#include <cblas.h>
#include <stdlib.h>
#include <time.h>
#include "peer.h"
*/
import "C"

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/kinora-video/kinora/internal/kernel/gemm"
	"github.com/kinora-video/kinora/internal/simd"
)

var bars = map[string]float64{"f32": 0.90, "bf16": 0.85, "int8": 0.80, "int8q": 0.80}

func main() {
	limit := flag.Duration("limit", 30*time.Second, "time for a line at most")
	// After the pause and the other side's turn, what a call touches is back in
	// the caches from the third or fourth call on. What is compared are calls
	// that follow one another.
	calls := flag.Int("calls", 8, "how often each side is called in its turn")
	only := flag.String("only", "", "one type: f32, bf16, int8 or int8q; all where it is empty")
	flag.BoolVar(&useCPU, "cpu", false, "time one thread by its CPU time and leave out two: for a machine that is busy")
	flag.Parse()
	if !simd.BF16() || !simd.VNNI() {
		fmt.Fprintln(os.Stderr, "peers: this CPU lacks AVX512_BF16 or AVX512_VNNI, for which the bars are set")
		os.Exit(2)
	}
	runtime.LockOSThread()
	fmt.Printf("%-5s %5s %8s %10s %10s %7s\n", "type", "size", "threads", "kinora", "peer", "ratio")
	below := 0
	for _, kind := range []string{"f32", "bf16", "int8", "int8q"} {
		if *only != "" && kind != *only {
			continue
		}
		for _, size := range []int{1024, 1536, 2048} {
			for threads := 1; threads <= 2; threads++ {
				if useCPU && threads > 1 {
					continue
				}
				c, err := newContest(kind, size, threads)
				if err != nil {
					fmt.Fprintln(os.Stderr, "peers:", err)
					os.Exit(2)
				}
				ours, theirs := c.run(*limit, *calls)
				c.free()
				work := 2 * math.Pow(float64(size), 3) / 1e9
				ratio, mark := theirs.Seconds()/ours.Seconds(), ""
				if ratio < bars[kind] {
					below++
					mark = fmt.Sprintf("  below %.2f", bars[kind])
				}
				fmt.Printf("%-5s %5d %8d %10.1f %10.1f %7.3f%s\n", kind, size, threads, work/ours.Seconds(), work/theirs.Seconds(), ratio, mark)
			}
		}
	}
	if below > 0 {
		fmt.Fprintf(os.Stderr, "peers: %d lines are below their bar\n", below)
		os.Exit(1)
	}
}

// contest is one product, done by both.
type contest struct {
	ours, theirs func()
	free         func()
}

// newContest prepares a product and checks that both sides agree on it.
func newContest(kind string, size, threads int) (*contest, error) {
	simd.SetThreads(threads)
	C.peer_threads(C.int(threads))
	C.openblas_set_num_threads(C.int(threads))
	n := size * size
	rng := rand.New(rand.NewPCG(uint64(size), 1))
	a, b := cFloats(n), cFloats(n)
	for i := range a {
		// Whole numbers of u8's range, so that quantising A loses nothing.
		a[i], b[i] = float32(rng.IntN(128)), float32(rng.IntN(255)-127)
	}
	for i := range size {
		a[i*size], b[i] = 127, 127
	}
	x, y := cFloats(n), cFloats(n)
	ma, mb := gemm.Matrix{Data: a, Stride: size}, gemm.Matrix{Data: b, Stride: size}
	c := &contest{free: func() {
		for _, v := range [][]float32{a, b, x, y} {
			C.free(unsafe.Pointer(&v[0]))
		}
	}}
	switch kind {
	case "f32":
		c.ours = func() { gemm.Mul(gemm.F32, size, size, size, ma, mb, x, size, gemm.Epilogue{}) }
		c.theirs = func() {
			s := C.int(size)
			C.cblas_sgemm(C.CblasRowMajor, C.CblasNoTrans, C.CblasNoTrans, s, s, s, 1, ptr(a), s, ptr(b), s, 0, ptr(y), s)
		}
	case "bf16":
		w := gemm.Pack(gemm.BF16, size, size, mb)
		c.ours = func() { gemm.MulPacked(size, ma, w, x, size, gemm.Epilogue{}) }
		pa, pb := make([]uint16, n), make([]uint16, n)
		for i := range pa {
			pa[i], pb[i] = uint16(math.Float32bits(a[i])>>16), uint16(math.Float32bits(b[i])>>16)
		}
		if err := c.peer(0, size, unsafe.Pointer(&pa[0]), unsafe.Pointer(&pb[0]), y, nil, nil); err != nil {
			return nil, err
		}
	case "int8", "int8q":
		w := gemm.PackInt8(size, size, gemm.Int8Rows(size, size, mb))
		c.ours = func() { gemm.MulInt8(size, ma, w, x, size, gemm.Epilogue{}) }
		pa, pb, scales := make([]uint8, n), make([]int8, n), cFloats(size)
		for i := range pa {
			pa[i], pb[i] = uint8(a[i]), int8(b[i])
		}
		for i := range scales {
			scales[i] = 1
		}
		var plain *C.float
		if kind == "int8q" {
			plain = ptr(a)
		}
		if err := c.peer(1, size, unsafe.Pointer(&pa[0]), unsafe.Pointer(&pb[0]), y, scales, plain); err != nil {
			return nil, err
		}
	}
	c.ours()
	c.theirs()
	return c, agree(kind, x, y)
}

// peer makes oneDNN's side. It keeps pointers to all but the weights, so those
// operands live in C's memory. With plain it begins by writing a from there.
func (c *contest) peer(int8 int, size int, a, b unsafe.Pointer, y, scales []float32, plain *C.float) error {
	bytes := size * size * (2 - int8)
	held := func(x unsafe.Pointer) unsafe.Pointer {
		p := unsafe.Pointer(&cFloats((bytes + 3) / 4)[0])
		copy(unsafe.Slice((*byte)(p), bytes), unsafe.Slice((*byte)(x), bytes))
		return p
	}
	ca, cb := held(a), held(b)
	var s *C.float
	if scales != nil {
		s = ptr(scales)
	}
	p := C.peer_new(C.int(int8), C.int(size), C.int(size), C.int(size), ca, cb, ptr(y), s, plain)
	if p == nil {
		return fmt.Errorf("oneDNN refused a product of size %d", size)
	}
	c.theirs = func() {
		if C.peer_run(p) != 0 {
			panic("oneDNN failed")
		}
	}
	operands := c.free
	c.free = func() {
		operands()
		C.peer_free(p)
		C.free(ca)
		C.free(cb)
	}
	return nil
}

// agree compares the two results; the operands are whole numbers that bf16 and
// int8 hold exactly.
func agree(kind string, x, y []float32) error {
	for i, v := range x {
		if d := math.Abs(float64(v - y[i])); d > 1e-4*math.Abs(float64(v))+100 {
			return fmt.Errorf("%s: the results differ at %d: %g and %g", kind, i, v, y[i])
		}
	}
	return nil
}

// calm is after how many rounds without a better time for either side both
// times count as settled.
const calm = 12

// run returns the best time of each, once neither has got better by more than
// half a percent for a while or the limit is reached. A pause lets the other
// side's threads, which spin a while after their work, go to sleep.
func (c *contest) run(limit time.Duration, calls int) (ours, theirs time.Duration) {
	ours, theirs = math.MaxInt64, math.MaxInt64
	begun := time.Now()
	for last, round := 0, 0; round < last+calm && time.Since(begun) < limit; round++ {
		for _, side := range []struct {
			f    func()
			best *time.Duration
		}{{c.ours, &ours}, {c.theirs, &theirs}} {
			time.Sleep(40 * time.Millisecond)
			for range max(1, calls) {
				start := now()
				side.f()
				took := now() - start
				if took < *side.best-*side.best/200 {
					last = round
				}
				*side.best = min(*side.best, took)
			}
		}
	}
	return ours, theirs
}

var useCPU bool

// now is the time since some moment: of the wall's clock or the thread's own.
func now() time.Duration {
	clock := C.clockid_t(C.CLOCK_MONOTONIC)
	if useCPU {
		clock = C.CLOCK_THREAD_CPUTIME_ID
	}
	var t C.struct_timespec
	C.clock_gettime(clock, &t)
	return time.Duration(t.tv_sec)*time.Second + time.Duration(t.tv_nsec)
}

// cFloats returns n zeros in memory that C may keep a pointer to. They start at
// a cache line, as Go's large slices do, and as oneDNN asks of its callers.
func cFloats(n int) []float32 {
	x := unsafe.Slice((*float32)(C.aligned_alloc(64, C.size_t((4*n+63)&^63))), n)
	clear(x)
	return x
}

func ptr(x []float32) *C.float { return (*C.float)(unsafe.Pointer(&x[0])) }
