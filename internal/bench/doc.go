// Package bench measures speed: of the kernels, of a training step and of the
// parts of making a video. It also compares what two transformers learn in the
// same time. Its figures hold for the machine that it runs on.
//
// The package does not judge videos; package eval does.
package bench
