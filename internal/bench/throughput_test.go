package bench

import "testing"

// TestThroughput: the estimate is one that a computer can have.
func TestThroughput(t *testing.T) {
	if got := Throughput(); got < 1e7 || got > 1e16 {
		t.Errorf("%g operations a second", got)
	}
}
