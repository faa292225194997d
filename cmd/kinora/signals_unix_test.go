//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
)

// TestHangupsCutNothingShort: a terminal that closes sends SIGHUP more than
// once, and a session that is torn down SIGTERM after it. Without their handlers
// they would end this test.
func TestHangupsCutNothingShort(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("SIGHUP is ignored here")
	}
	ctx, stop := untilSignal(t.Context())
	defer func() {
		// The system may deliver a signal to another thread, and late. One that
		// comes after stop would end the tests to come.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGTERM)
		stop()
	}()
	send := func(s syscall.Signal) {
		if err := syscall.Kill(syscall.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGHUP)
	<-ctx.Done()
	if got, ok := signalOf(ctx); !ok || got != syscall.SIGHUP {
		t.Errorf("the context ended by %v (%v), not by SIGHUP", got, context.Cause(ctx))
	}
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Error("its cause is no context.Canceled")
	}
	send(syscall.SIGHUP)
	send(syscall.SIGTERM)
}

// TestSecondSignal: a second Ctrl-C always ends the program.
func TestSecondSignal(t *testing.T) {
	all := endings()
	for _, first := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP} {
		after := afterFirst(first, all)
		if !slices.Contains(after, os.Signal(syscall.SIGINT)) || slices.Contains(after, os.Signal(syscall.SIGHUP)) {
			t.Errorf("after %v, those that end the program at once are %v", first, after)
		}
		if slices.Contains(after, os.Signal(syscall.SIGTERM)) == (first == syscall.SIGHUP) {
			t.Errorf("after %v, SIGTERM is wrong in %v", first, after)
		}
	}
}
