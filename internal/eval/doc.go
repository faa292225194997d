// Package eval measures models: does a film show what its prompt says, how
// much does the codec lose, how steady and how varied are the films, and how
// fast does the machine run all of it.
//
// What a film shows is read by a Recogniser, a small network of our own that
// is trained on real storybook films and knows nothing of the model that it
// judges. The package never changes a model and never learns from what a model
// made.
package eval
