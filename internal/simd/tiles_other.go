//go:build !(linux && amd64)

package simd

// allowTiles reports whether AMX may be used: of the systems Kinora knows, only
// Linux gives leave by a call.
func allowTiles() bool { return false }
