//go:build !(linux && amd64)

package simd

// allowTiles reports whether AMX may be used. Of the systems Kinora supports,
// only Linux has a call that permits it.
func allowTiles() bool { return false }
