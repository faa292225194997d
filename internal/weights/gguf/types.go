package gguf

import (
	"fmt"
	"strings"

	"github.com/kinora-video/kinora/internal/tensor"
)

// Type is the type of a tensor, by ggml's number (ggml.h, enum ggml_type).
type Type uint32

// The types that Kinora computes with.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q2_K Type = 10
	Q3_K Type = 11
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// layout says what a type is called, and how many numbers and bytes a block has.
type layout struct {
	name           string
	numbers, bytes int
}

// layouts has all types of the format, so that a file can be described whose
// tensors Kinora cannot use.
var layouts = map[Type]layout{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2},
	Q4_0: {"Q4_0", 32, 18}, Q4_1: {"Q4_1", 32, 20}, Q5_0: {"Q5_0", 32, 22}, Q5_1: {"Q5_1", 32, 24}, Q8_0: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 40},
	Q2_K: {"Q2_K", 256, 84}, Q3_K: {"Q3_K", 256, 110}, Q4_K: {"Q4_K", 256, 144}, Q5_K: {"Q5_K", 256, 176}, Q6_K: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18},
	21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 29: {"IQ1_M", 256, 56},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8}, 28: {"F64", 1, 8},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18},
}

// stored pairs the types that Kinora computes with with those of tensors.
var stored = []struct {
	t Type
	d tensor.DType
}{
	{F32, tensor.F32},
	{F16, tensor.F16},
	{BF16, tensor.BF16},
	{Q8_0, tensor.Q8_0},
	{Q4_0, tensor.Q4_0},
	{Q4_1, tensor.Q4_1},
	{Q5_0, tensor.Q5_0},
	{Q5_1, tensor.Q5_1},
	{Q2_K, tensor.Q2_K},
	{Q3_K, tensor.Q3_K},
	{Q4_K, tensor.Q4_K},
	{Q5_K, tensor.Q5_K},
	{Q6_K, tensor.Q6_K},
}

// String is the type's name, spelled as ggml does.
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return fmt.Sprintf("number %d", uint32(t))
}

// DType is the type as the type of a stored tensor; ok is false if Kinora cannot
// compute with it.
func (t Type) DType() (d tensor.DType, ok bool) {
	for _, s := range stored {
		if s.t == t {
			return s.d, true
		}
	}
	return 0, false
}

// TypeOf is the opposite of DType.
func TypeOf(d tensor.DType) (t Type, ok bool) {
	for _, s := range stored {
		if s.d == d {
			return s.t, true
		}
	}
	return 0, false
}

// known lists the types that Kinora computes with.
func known() string {
	names := make([]string, len(stored))
	for i, s := range stored {
		names[i] = s.t.String()
	}
	return strings.Join(names, ", ")
}
