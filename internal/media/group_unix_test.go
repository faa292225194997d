//go:build unix

package media

import (
	"os/exec"
	"syscall"
	"testing"
)

// TestToolsHaveTheirOwnGroup: what a terminal sends to the group of this
// process does not reach a tool that still has a video to finish.
func TestToolsHaveTheirOwnGroup(t *testing.T) {
	tool, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	p := newProcess(t.Context(), tool, "60")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	defer p.kill(errClosed)
	group, err := syscall.Getpgid(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if group == syscall.Getpgrp() {
		t.Error("the tool is in the group of this process")
	}
}
