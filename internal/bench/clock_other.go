//go:build !unix

package bench

// processorSeconds is not known on this system.
func processorSeconds() (float64, bool) { return 0, false }
