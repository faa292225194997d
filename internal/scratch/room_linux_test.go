package scratch

import (
	"errors"
	"syscall"
	"testing"
)

// TestRoomOnFullDevices: every error of a full disk or an exhausted quota means
// that there is no room.
func TestRoomOnFullDevices(t *testing.T) {
	for _, said := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		err := lacking("/d", 2_000_000, said)
		if e, ok := errors.AsType[*NoRoomError](err); !ok || !errors.Is(e, said) || e.Error() != "no room for about 2.0 MB in /d: "+said.Error() {
			t.Errorf("%v: %v", said, err)
		}
	}
	if err := lacking("/d", 1, syscall.EROFS); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a disk that is read-only: %v", err)
	}
}
