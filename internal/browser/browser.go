// Package browser opens an address in the browser of the person at this machine. It
// is the only door to the programs that do so; it waits for none of them, and never
// opens an address that is not http.
package browser

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
)

// Open opens an http(s) address. An error means that there is no program for it, or
// no screen to show it on; then the person has to open the address.
func Open(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("open the browser: %.40q is not an http address", address)
	}
	name, args := opener(runtime.GOOS, address)
	if runtime.GOOS != "windows" && runtime.GOOS != "darwin" && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" && os.Getenv("BROWSER") == "" {
		return fmt.Errorf("open the browser: this machine has no screen")
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open the browser: %w", err)
	}
	go func() { _ = cmd.Wait() }() // whether the browser liked the address, nobody is told
	return nil
}

// opener is the program that opens an address, and its arguments.
func opener(system, address string) (name string, args []string) {
	switch system {
	case "windows":
		return "rundll32", []string{"url.dll,FileProtocolHandler", address}
	case "darwin":
		return "open", []string{address}
	}
	return "xdg-open", []string{address}
}
