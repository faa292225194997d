package web

import "time"

// UnixTime is a time in Unix seconds; nil for none.
func UnixTime(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.Unix()
	return &n
}
