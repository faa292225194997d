// Package check has the one check that every kernel makes first: that its slices are long enough. It computes
// nothing.
package check

import "fmt"

// Len panics unless x holds want elements. name is the operand's name in the kernel op.
func Len[T any](op, name string, x []T, want int) {
	if len(x) < want {
		panic(fmt.Sprintf("%s: %s holds %d elements, needs %d", op, name, len(x), want))
	}
}

// LenOrNil is Len for a slice that may be nil.
func LenOrNil[T any](op, name string, x []T, want int) {
	if x != nil {
		Len(op, name, x, want)
	}
}
