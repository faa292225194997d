package reel

// Embedded is the weights file inside the binary, or nil when there is none.
func Embedded() []byte { return nil }
