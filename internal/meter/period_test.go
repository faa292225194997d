package meter

import (
	"testing"
	"time"
)

func TestPeriodEnd(t *testing.T) {
	day := func(s string) time.Time {
		d, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tt := range []struct{ anchor, now, want string }{
		{"2026-11-25 12:00", "2026-11-25 12:00", "2026-12-25 12:00"},
		{"2026-11-25 12:00", "2026-12-25 11:59", "2026-12-25 12:00"},
		{"2026-11-25 12:00", "2026-12-25 12:00", "2027-01-25 12:00"},
		{"2026-01-31 00:00", "2026-01-31 00:00", "2026-02-28 00:00"},
		{"2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00"},
		{"2028-01-31 00:00", "2028-02-01 00:00", "2028-02-29 00:00"},
		{"2026-01-31 00:00", "2029-06-10 00:00", "2029-06-30 00:00"}, // years without a job
		{"2026-12-31 23:59", "2027-01-01 00:00", "2027-01-31 23:59"},
	} {
		if got := periodEnd(day(tt.anchor), day(tt.now)); !got.Equal(day(tt.want)) {
			t.Errorf("from %s, at %s: %v, want %s", tt.anchor, tt.now, got, tt.want)
		}
	}
}
