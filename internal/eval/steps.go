package eval

// steps measures how a video changes from frame to frame, in grey levels of
// 255. Change is the mean difference between a frame and the previous one,
// which movement causes too. Jitter is that between a frame and the mean of its
// neighbours: it is small where things move smoothly, and large where they
// flicker.
type steps struct {
	Change, Jitter float64 // sums
	changes, turns int
	past           [2][]byte // the last two frames, the older first
	n              int
}

// frame adds the next frame.
func (s *steps) frame(rgb []byte) {
	if s.n >= 1 {
		s.Change += meanDifference(rgb, s.past[1])
		s.changes++
	}
	if s.n >= 2 {
		a, b := s.past[0], s.past[1]
		sum := 0
		for i, c := range rgb {
			d := int(a[i]) + int(c) - 2*int(b[i])
			sum += max(d, -d)
		}
		s.Jitter += float64(sum) / float64(2*len(rgb))
		s.turns++
	}
	s.past[0], s.past[1] = s.past[1], append(s.past[0][:0], rgb...)
	s.n++
}

func meanDifference(a, b []byte) float64 {
	sum := 0
	for i, v := range a {
		d := int(v) - int(b[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(len(a))
}
