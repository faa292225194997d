package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// exitSignal plus the signal's number is the exit code after a signal, as a shell
// reports it.
const exitSignal = 128

// stopped is the cause of a context that a signal has cancelled.
type stopped struct{ signal syscall.Signal }

// Error implements error.
func (s stopped) Error() string { return fmt.Sprintf("stopped by a signal (%v)", s.signal) }

// Is makes stopped count as context.Canceled.
func (s stopped) Is(target error) bool { return target == context.Canceled }

// endings are the signals that ask the program to end; closing the terminal and
// Ctrl-\ send such signals too. If SIGHUP is ignored, as under nohup, it stays
// ignored.
func endings() []os.Signal {
	out := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) {
		out = append(out, syscall.SIGHUP)
	}
	return out
}

// untilSignal returns a context that the first signal cancels, so that the program
// can end in order. After that, a second signal ends the program at once. SIGHUP
// does not count as a second signal: a closing terminal, an ending shell and an
// ending session each send one, and a SIGTERM may follow.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := endings()
	got := make(chan os.Signal, 1)
	signal.Notify(got, signals...)
	go func() {
		select {
		case s := <-got:
			signal.Reset(afterFirst(s, signals)...)
			number, _ := s.(syscall.Signal)
			cancel(stopped{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		signal.Stop(got)
	}
}

// afterFirst are the signals that end the program at once if they come second.
func afterFirst(first os.Signal, signals []os.Signal) []os.Signal {
	return slices.DeleteFunc(slices.Clone(signals), func(s os.Signal) bool {
		return s == syscall.SIGHUP || s == syscall.SIGTERM && first == syscall.SIGHUP
	})
}

// signalOf returns the signal that cancelled a context of untilSignal.
func signalOf(ctx context.Context) (syscall.Signal, bool) {
	s, ok := errors.AsType[stopped](context.Cause(ctx))
	return s.signal, ok
}

// catchBrokenPipe turns a closed standard output into an error of the write. By
// default the program would be killed without a message.
func catchBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
