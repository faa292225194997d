// Package recogniser reads what storybook videos show: subject, colour, place,
// motion, camera move and time of day. Its network of less than a million
// weights is trained here, on storybook videos alone, and one is inside the
// program.
//
// The package knows no model that makes videos, so it can judge them.
package recogniser
