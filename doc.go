// Package kinora turns a sentence into a video, on this machine, with nothing
// to download: the model reel is inside the binary.
//
//	m, err := kinora.Open(ctx, "reel")
//	clip, err := m.Generate(ctx, kinora.Request{Prompt: "a red ball bounces on a beach", Seconds: 6})
//	err = clip.Save(ctx, "ball.mp4")
//
// Open opens a model, and Generate samples a video, a Clip, whose latents it
// keeps on disk. Save draws the frames from the latents, in constant memory, into
// a file, with sound if the model makes any. The file gets its name only when it
// is whole. If saving fails the latents stay, so nothing has to be sampled again:
// Model.Load goes on from them.
//
// Capabilities say what a model can do. A request that asks for more is refused
// before any work is done. A Pool opens models when they are needed and closes
// them when others need the memory.
//
// Everything takes a context and stops soon after it is cancelled. The same
// request to the same model gives the same frames on the same kind of CPU, for any
// number of threads. Models of one process take turns: one at a time has all the
// cores. Errors are of type *Error or the context's own.
//
// The package never opens a network connection and never prints. It writes to
// the paths that it is given and to the user's cache folder. For sound, and for a
// WebP that goes to an io.Writer, it also writes to the system's folder for
// temporary files.
package kinora
