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

// exitSignal and the signal's number is what the program exits with after a
// signal, as a shell reports such an end.
const exitSignal = 128

// stopped is the cause of a context that a signal ended.
type stopped struct{ signal syscall.Signal }

// Error implements error.
func (s stopped) Error() string { return fmt.Sprintf("stopped by a signal (%v)", s.signal) }

// Is makes it a context.Canceled for those that look no further.
func (s stopped) Is(target error) bool { return target == context.Canceled }

// endings are the signals that ask for an end, the terminal's closing and
// Ctrl-\ among them. An ignored SIGHUP stays ignored: that is what nohup does.
func endings() []os.Signal {
	out := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) {
		out = append(out, syscall.SIGHUP)
	}
	return out
}

// untilSignal gives a context that the first signal ends, which asks for an
// orderly end. After it the default is back, so that a second one ends the
// program whatever it is doing. SIGHUP is no such second one: a terminal that
// closes, a shell that ends and a session that is torn down each send theirs,
// and SIGTERM may follow.
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

// afterFirst are the signals that end the program at once after a first one.
func afterFirst(first os.Signal, signals []os.Signal) []os.Signal {
	return slices.DeleteFunc(slices.Clone(signals), func(s os.Signal) bool {
		return s == syscall.SIGHUP || s == syscall.SIGTERM && first == syscall.SIGHUP
	})
}

// signalOf is the signal that ended a context of untilSignal.
func signalOf(ctx context.Context) (syscall.Signal, bool) {
	s, ok := errors.AsType[stopped](context.Cause(ctx))
	return s.signal, ok
}

// catchBrokenPipe makes a reader of standard output that goes away an error
// like any other, and not an end without a word.
func catchBrokenPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
