package reel

// GroupFrames is the number of frames in a group, which share a latent. The
// first group is a single frame.
const GroupFrames = groupSize

// LatentSize returns the height and width of the latents of a native frame.
func (c Config) LatentSize() (h, w int) { return c.Height / latentPix, c.Width / latentPix }

// Ratio is the compression ratio of the codec for whole groups: values of the
// video, three per pixel, per value of the latents.
func (c Config) Ratio() float64 {
	return 3 * latentPix * latentPix * groupSize / float64(c.Codec.Latent)
}
