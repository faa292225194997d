// Package bench measures speed: of the kernels, of a training step and of the
// parts of making a video, and what two transformers learn in the same time.
// Its figures are of the machine that it runs on.
//
// The package judges no video: that is package eval's.
package bench
