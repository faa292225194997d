// Package world is the storybook: an endless source of short, captioned,
// vector-drawn videos whose every attribute is known.
//
// A video is a [Scene]: a small value that can be sampled from a seed, written
// by hand as JSON, described in three languages and drawn at any size and at
// any moment. Kinora's own model is trained and measured on these videos, so
// the package also holds the rule that keeps some combinations out of training.
//
// It never reads a clock, a network or a file, never keeps state between
// frames, and never trusts a scene that it did not validate. The same scene,
// size and moment give the same bytes on the same processor architecture.
package world
