// Command kinora turns a sentence into a video, on this machine.
//
// This folder is the command line: one file for each command, and nothing that
// another program would call. The Go API is the module's root package.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/simd"
)

// cli is the command line: a field for a command.
type cli struct {
	Generate GenerateCmd `cmd:"" help:"Make a video from a sentence."`
	Chat     ChatCmd     `cmd:"" help:"Talk with a language model."`
	Decode   DecodeCmd   `cmd:"" help:"Make a video from kept latents."`
	Speak    SpeakCmd    `cmd:"" help:"Speak a text."`
	Inspect  InspectCmd  `cmd:"" help:"Say what videos were made with."`
	Models   ModelsCmd   `cmd:"" help:"Say which models there are, which can be pulled, and what they can do."`
	Pull     PullCmd     `cmd:"" help:"Fetch the released weights of a model."`
	Rm       RmCmd       `cmd:"" help:"Remove pulled models."`
	Quantize QuantizeCmd `cmd:"" help:"Write weights again with fewer bits a number."`
	World    WorldCmd    `cmd:"" help:"Draw videos of the storybook, which reel was trained on."`
	Train    TrainCmd    `cmd:"" help:"Make the weights of a model, from the storybook or from videos of your own."`
	Eval     EvalCmd     `cmd:"" help:"Measure how well a model does what prompts say."`
	Bench    BenchCmd    `cmd:"" help:"Measure how fast this machine runs it all."`
	Studio   StudioCmd   `cmd:"" help:"Make videos in the browser, on this machine."`
	Serve    ServeCmd    `cmd:"" help:"Run the platform: HTTP APIs, a durable queue, workers."`
	Worker   WorkerCmd   `cmd:"" help:"Run the jobs that other processes of a server accept."`
	Projects ProjectsCmd `cmd:"" help:"Manage the projects of a server, their plans and their money."`
	Keys     KeysCmd     `cmd:"" help:"Manage the API keys of a server."`
	Usage    UsageCmd    `cmd:"" help:"Report what was used on a server, and what it cost."`
	Webhooks WebhooksCmd `cmd:"" help:"Show the webhooks of a server, and send deliveries again."`
	Version  VersionCmd  `cmd:"" help:"Say which version this is."`
}

const about = `Turns a sentence into a video, on this machine.

  kinora generate "a red ball bounces on a beach at sunset"`

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // after a signal: exitSignal plus its number
)

// streams are where a command reads and writes.
type streams struct {
	out, err io.Writer
}

func main() { os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr})) }

// run is the whole program except its exit.
func run(args []string, s streams) int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	catchBrokenPipe()

	exited := -1
	var c cli
	parser, err := kong.New(&c,
		kong.Name("kinora"),
		kong.Description(about),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ValueFormatter(helpOf),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) {
			if exited < 0 {
				exited = code
			}
		}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
		helpVars,
	)
	if err != nil {
		fmt.Fprintln(s.err, "kinora:", err)
		return exitFailure
	}
	hideUnableFlags(parser.Model)
	k, err := parse(parser, usual(args))
	if exited >= 0 { // --help was answered
		return exited
	}
	if err != nil {
		fmt.Fprintln(s.err, "kinora:", err)
		fmt.Fprintln(s.err, "Run kinora --help, or kinora COMMAND --help, to see what there is.")
		return exitUsage
	}
	if err := simd.EnvError(); err != nil {
		fmt.Fprintln(s.err, "note:", err)
	}
	return report(ctx, k.Run(), s)
}

// report prints how a command failed and returns the exit code.
func report(ctx context.Context, err error, s streams) int {
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		if !errors.Is(err, context.Canceled) { // something failed while the command was stopping
			fmt.Fprintln(s.err, "kinora:", job.Detail(err))
		}
		fmt.Fprintln(s.err, "kinora: stopped")
		number, _ := signalOf(ctx)
		return exitSignal + int(number)
	}
	fmt.Fprintln(s.err, "kinora:", job.Detail(err))
	var usage usageError
	if errors.As(err, &usage) || kinora.KindOf(err) == kinora.Invalid {
		return exitUsage
	}
	if readerGone() {
		return exitSignal + int(syscall.SIGPIPE)
	}
	return exitFailure
}

// usageError is a command line that cannot be run as it stands.
type usageError struct{ error }

// Unwrap returns what is wrong with it.
func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
