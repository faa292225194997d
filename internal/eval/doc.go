// Package eval measures models: does a video show what its prompt says, how
// much does the codec lose, and how steady and how varied are the videos. What
// a video shows is read by package recogniser, which knows nothing of the model
// that is measured.
//
// The package never changes a model and never learns from what a model made.
package eval
