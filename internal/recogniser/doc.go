// Package recogniser reads what storybook videos show: subject, colour,
// setting, motion, camera move and time of day. Its network of less than a
// million weights is trained here, on storybook videos alone. The program
// contains a trained one.
//
// The package does not depend on any model that makes videos, so it can judge
// them.
package recogniser
