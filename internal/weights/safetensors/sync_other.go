//go:build !unix

package safetensors

// syncDir does nothing: folders cannot be synced here.
func syncDir(string) error { return nil }
