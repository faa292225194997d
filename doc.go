// Package kinora turns a sentence into a video, on this machine, with nothing
// to download: the model reel is inside the binary.
//
//	m, err := kinora.Open(ctx, "reel")
//	clip, err := m.Generate(ctx, kinora.Request{Prompt: "a red ball bounces on a beach", Seconds: 6})
//	err = clip.Save(ctx, "ball.mp4")
//
// Open readies a model, Generate samples a clip and keeps its latents on disk,
// and Save draws the frames from the latents, in constant memory, into a file
// that appears only when it is whole. A failure while saving costs no sampling:
// the latents stay, and Model.Load goes on from them.
//
// Everything takes a context and stops soon after it is cancelled. The same
// request to the same model gives the same frames, whatever the number of
// threads, on the same kind of CPU. Errors are of type *Error or the context's own.
//
// Around the clips there is what a program that serves them needs: DecodeImage
// and ProbeVideo for files that may come from anywhere, LastFrame to go on from
// a clip, WithTap, Thumbnail and Spritesheet for its stills, and Speak.
//
// The package never opens a network connection and never prints. It writes to
// the paths it is given, to the user's cache folder and, for speech and for a
// WebP that goes to an io.Writer, to the system's folder for temporary files.
package kinora
