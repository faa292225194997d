package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/scratch"
)

// linkKeyWait is how long another process may take between creating the key's
// file and writing the key. Others see the empty file only on file systems
// without hard links.
const linkKeyWait = 3 * time.Second

// linkKey returns the secret that signs download links, and creates it at the
// first start.
func linkKey(data string) ([]byte, error) {
	path := filepath.Join(data, linkKeyFile)
	text, err := readLinkKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeLinkKey(path); err == nil || errors.Is(err, fs.ErrExist) {
			text, err = readLinkKey(path) // our key, or that of a process that was first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key of download links: %w", err)
	}
	if text == "" {
		return nil, fmt.Errorf("the key of download links, %s, is empty: remove it, and the next start makes another; if links were given out, restore it instead", path)
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) < 32 {
		return nil, fmt.Errorf("the key of download links, %s, is damaged: restore it, or remove it and invalidate all links given out", path)
	}
	return key, nil
}

// readLinkKey reads the key. It waits for a process that has just created the
// file.
func readLinkKey(path string) (string, error) {
	for end := time.Now().Add(linkKeyWait); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		if err != nil || len(text) > 0 || time.Now().After(end) {
			return strings.TrimSpace(string(text)), err
		}
	}
}

// makeLinkKey writes a new key atomically: no other process reads half of it, and
// a process that dies leaves none. The error is fs.ErrExist if another process
// was first.
func makeLinkKey(path string) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return scratch.WriteNew(path, []byte(hex.EncodeToString(key)+"\n"))
}
