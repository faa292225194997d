package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// size is a number of bytes, as people write it: 16GB, 512MiB.
type size int64

// units are the suffixes of a size. One that ends like another comes before it.
var units = []struct {
	name  string
	bytes float64
}{
	{"KIB", 1 << 10},
	{"MIB", 1 << 20},
	{"GIB", 1 << 30},
	{"TIB", 1 << 40},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	number, unit := strings.ToUpper(strings.TrimSpace(string(text))), 0.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if bytes := n * unit; err == nil && bytes >= 1 && bytes < math.MaxInt64 {
		*s = size(bytes)
		return nil
	}
	return fmt.Errorf("%s: write a size with its unit, such as 16GB or 512MiB", orNothing(string(text)))
}

// machineMemory returns how much memory this process may use, in bytes: that of
// the machine, or of its control group if that is less. It is 0 if unknown, as on
// all systems but Linux.
func machineMemory() size {
	var all size
	info, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			all = size(kb) << 10
		}
	}
	group, _ := os.ReadFile("/sys/fs/cgroup/memory.max") // a number, or max
	if most, err := strconv.ParseInt(strings.TrimSpace(string(group)), 10, 64); err == nil && most > 0 && (all == 0 || size(most) < all) {
		all = size(most)
	}
	return all
}
