package hub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

const maxTokenBytes = 4096

// FromEnv are the options that the environment names, in the variables that
// Hugging Face's own client reads: HF_ENDPOINT, HF_TOKEN, and for the file in which
// that client keeps a token HF_TOKEN_PATH and HF_HOME. With
// HF_HUB_DISABLE_IMPLICIT_TOKEN the file is not read.
func FromEnv() (Options, error) {
	o := Options{Endpoint: os.Getenv("HF_ENDPOINT")}
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if t := os.Getenv(name); strings.TrimSpace(t) != "" {
			var err error
			o.Token, err = cleanToken(t, name)
			return o, err
		}
	}
	if isTrue(os.Getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return o, nil
	}
	path := tokenFile()
	if path == "" {
		return o, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return o, fmt.Errorf("read your token for the hub: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTokenBytes+1))
	if err != nil {
		return o, fmt.Errorf("read your token for the hub: %w", err)
	}
	o.Token, err = cleanToken(string(text), path)
	return o, err
}

func cleanToken(t, from string) (string, error) {
	t = strings.TrimSpace(t)
	if len(t) > maxTokenBytes || strings.ContainsFunc(t, func(r rune) bool { return unicode.IsSpace(r) || r > '~' || r < '!' }) {
		return "", fmt.Errorf("%s holds no token: a token is one word, such as hf_…", from)
	}
	return t, nil
}

// tokenFile is where Hugging Face's client keeps the token; "" if there is no home.
func tokenFile() string {
	if path := os.Getenv("HF_TOKEN_PATH"); path != "" {
		return path
	}
	if home := os.Getenv("HF_HOME"); home != "" {
		return filepath.Join(home, "token")
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "huggingface", "token")
}

func isTrue(s string) bool {
	switch strings.ToUpper(s) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}
