package wanvae

// DecodeMemory is about how many bytes it takes to decode latents [t, h, w, ZDim],
// for any t: what the convolutions remember, which is most of it, the frame on
// its way, and the panels of the decoder's weights. The weights themselves lie
// where they are.
func (m *VAE) DecodeMemory(h, w int) int64 {
	c := m.Config
	number := int64(m.NewBackend().Precision().Bytes(1)) // of an operand
	panels := int64(0)
	for _, name := range m.Params.Names() {
		if len(name) > 8 && name[:8] == "decoder." {
			panels += int64(m.Params.Get(name).Len())
		}
	}
	remembered, level := m.remembered(h, w)
	total := panels + remembered
	bytes := number * total
	for i, n := range level {
		// Before a level's convolution is a frame, after it another, and beside
		// it one that waits or goes around; and an operand.
		bytes += n * (3*4 + number)
		if i == len(level)-1 {
			bytes -= n * 4 // nothing waits there
		}
	}
	return bytes + int64(h*w)*int64(c.Spatial()*c.Spatial()*3*4*2)
}

// remembered is how many numbers the convolutions of the decoder remember in a
// video of more than a latent, and level how many are in a frame of each level.
func (m *VAE) remembered(h, w int) (sum int64, level []int64) {
	d := &m.decoder
	pixels := int64(h) * int64(w)
	keep := func(convs ...causal) {
		for _, c := range convs {
			sum += pixels * int64(c.W.Dim(1)-1) * int64(c.W.Dim(4))
		}
	}
	keep(d.in, d.middle.first.conv1, d.middle.first.conv2, d.middle.last.conv1, d.middle.last.conv2)
	for _, l := range d.levels {
		width := 0
		for _, r := range l.blocks {
			keep(r.conv1, r.conv2)
			width = max(width, r.conv1.W.Dim(4), r.conv2.W.Dim(4))
		}
		level = append(level, pixels*int64(width))
		if l.enlarge != nil {
			if l.enlarge.time != nil {
				keep(*l.enlarge.time)
			}
			pixels *= 4
		}
	}
	keep(d.head.conv)
	return sum, level
}
