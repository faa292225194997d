// Package backend makes what models compute with. It is the one place that
// knows which backends there are: models, samplers, trainers and measurements
// ask here, and see tensor's interfaces.
//
// It never computes anything itself.
package backend

import "github.com/kinora-video/kinora/internal/tensor"

// Precision is what the operands of products are rounded to, in use and in
// training: about twice as quick as f32 where the processor has bf16, and what
// large weights are stored in.
const Precision = tensor.BF16

// New returns a backend for use, by one goroutine at a time. What it keeps with
// the fixed weights of a model is shared with the other backends.
func New() tensor.Backend { return tensor.NewCPU(Precision) }

// Int8 is New for weights in int8, one scale a row: their products round
// activations to int8 too, one scale a row. That is the quickest, and loses the
// most where a few columns of the activations are much larger than the others.
func Int8() tensor.Backend { return tensor.NewCPU(tensor.I8) }

// Fine returns a backend for language models, whose next token may hang on the
// fourth digit of a number: weights are read where they are stored, and products
// round activations to 15 bits or more with a scale for every few numbers, or not at
// all.
func Fine() tensor.Backend { return tensor.NewCPU(tensor.I16) }

// Training returns a backend that can train.
func Training() tensor.Trainer { return tensor.NewCPU(Precision) }

// Exact returns a backend whose products do not round their operands, for tests
// that compare with an oracle.
func Exact() tensor.Trainer { return tensor.NewCPU(tensor.F32) }
