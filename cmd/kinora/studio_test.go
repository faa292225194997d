package main

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestStudioListensHere: the studio is for this machine alone, and takes a free port
// where none is asked for.
func TestStudioListensHere(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8080", "example.com:80", "8080", "127.0.0.1"} {
		ln, err := listenHere(t.Context(), address)
		if usage := (usageError{}); err == nil || !errors.As(err, &usage) {
			t.Errorf("%s: %v", address, err)
		}
		if ln != nil {
			ln.Close()
		}
	}
	var open []net.Listener
	for _, address := range []string{"", "", "127.0.0.1:0", "localhost:0"} {
		ln, err := listenHere(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, ln)
		if host, _, _ := net.SplitHostPort(ln.Addr().String()); !net.ParseIP(host).IsLoopback() {
			t.Errorf("%q listens on %v", address, ln.Addr())
		}
	}
	taken := open[0].Addr().String()
	if _, err := listenHere(t.Context(), taken); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a port that is taken: %v", err)
	}
	for _, ln := range open {
		ln.Close()
	}
}
