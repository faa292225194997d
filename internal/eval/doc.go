// Package eval measures models: whether a video shows what its prompt says, how
// much the codec loses, and how steady and how varied the videos are. Package
// recogniser reads what a video shows; it knows nothing about the model that is
// measured.
//
// The package never changes a model and never learns from what a model made.
package eval
