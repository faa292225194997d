package main

import (
	"runtime"
	"testing"
)

func TestSize(t *testing.T) {
	for in, want := range map[string]size{"16GB": 16e9, "512 MiB": 512 << 20, "1.5gib": 3 << 29, "100b": 100, "2TB": 2e12} {
		var got size
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want {
			t.Errorf("%s is %d bytes, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "16", "GB", "-1GB", "0GB", "many", "NaNGB", "InfGB", "1e30GB", "0.1B"} {
		var got size
		if err := got.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q is taken for %d bytes", in, got)
		}
	}
	if got := machineMemory(); runtime.GOOS == "linux" && got < 1<<26 {
		t.Errorf("this machine is said to have %d bytes", got)
	}
}
