// Package kinora turns a sentence into a video, on this machine, with nothing
// to download: the model reel is inside the binary.
//
//	m, err := kinora.Open(ctx, "reel")
//	clip, err := m.Generate(ctx, kinora.Request{Prompt: "a red ball bounces on a beach", Seconds: 6})
//	err = clip.Save(ctx, "ball.mp4")
//
// Open readies a model, Generate samples a video and keeps its latents on disk,
// and Save draws the frames from the latents, in constant memory, into a file
// that appears only when it is whole, with sound where the model makes any. A
// failure while saving costs no sampling: the latents stay, and Model.Load goes on
// from them.
//
// Capabilities say what a model can do; a request that asks for more is refused
// before it costs anything. A Pool opens models when they are needed and closes
// them when others need the memory.
//
// Everything takes a context and stops soon after it is cancelled. The same
// request to the same model gives the same frames, whatever the number of
// threads, on the same kind of CPU. Models of one process take turns: one has all
// the cores at a time. Errors are of type *Error or the context's own.
//
// The package never opens a network connection and never prints. It writes to
// the paths it is given, to the user's cache folder and, for sound and for a
// WebP that goes to an io.Writer, to the system's folder for temporary files.
package kinora
