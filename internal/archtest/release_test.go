package archtest

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// workshop is a folder for what several tests use.
var workshop string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "archtest")
	if err != nil {
		panic(err)
	}
	workshop = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build builds the program once, as it is released.
var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(workshop, "kinora.exe")
	out, err := exec.Command("sh", filepath.Join("..", "..", "scripts", "build"), bin).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("scripts/build: %w\n%s", err, out)
	}
	return bin, err
})

func released(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell to run scripts/build with")
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// mostBytes is what the released program may weigh on linux/amd64 without the
// weights inside.
const mostBytes = 39_000_000

// TestRelease: the program as it is released is small, and needs no library of
// the system.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the bound is that of linux/amd64")
	}
	bin := released(t)
	info, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	if rest := info.Size() - weights(t); rest > mostBytes {
		t.Errorf("the program has %d bytes, %d without its weights, more than %d: see what grew", info.Size(), rest, mostBytes)
	} else {
		t.Logf("the program has %d bytes, %d without its weights", info.Size(), rest)
	}
	f, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is linked dynamically: it has a segment %v", p.Type)
		}
	}
	if s := f.Section(".symtab"); s != nil {
		t.Errorf("the program carries %d bytes of symbols", s.Size)
	}
}

// weights is the size of the files of weights, and of dictionaries, that are inside
// the program.
func weights(t *testing.T) (sum int64) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join("..", "..", "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".safetensors") && !strings.HasSuffix(path, ".safetensors.gz") && !strings.HasSuffix(path, ".dict") {
			return nil
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
			n++
		}
		return err
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files of weights, %v", n, err)
	}
	return sum
}
