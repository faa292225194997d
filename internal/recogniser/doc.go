// Package recogniser reads what storybook videos show: their actors, how many they
// are, their colours, outlines and motions, the setting, camera move and time of
// day. Its network of about a million weights is trained here, on storybook videos
// alone. The program contains a trained one.
//
// The package does not depend on any model that makes videos, so it can judge
// them.
package recogniser
