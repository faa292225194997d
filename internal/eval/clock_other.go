//go:build !unix

package eval

// processorSeconds is not known on this system.
func processorSeconds() (float64, bool) { return 0, false }
