// Command tiny writes a tiny language model into the folder that it is given, for
// tests of the program itself.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/model/lm/lmtest"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: tiny FOLDER"))
	}
	files, err := lmtest.Files()
	if err != nil {
		fail(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), data, 0o600); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tiny:", err)
	os.Exit(1)
}
