package reel

// GroupFrames is how many frames share a latent: all groups but the first,
// which is a single frame.
const GroupFrames = groupSize

// LatentSize is the height and the width of the latents of a native frame.
func (c Config) LatentSize() (h, w int) { return c.Height / latentPix, c.Width / latentPix }

// Ratio is how many values of a video, three a pixel, the codec makes one
// value of: that of whole groups.
func (c Config) Ratio() float64 {
	return 3 * latentPix * latentPix * groupSize / float64(c.Codec.Latent)
}
