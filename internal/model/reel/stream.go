package reel

import "github.com/kinora-video/kinora/internal/tensor"

// A Stream is what a model remembers between the pieces of a video that it is
// given one after another: for each layer the last frames, the keys and
// values, or the sums that the next piece needs. Its size does not depend on
// how long the video is. A nil *Stream is a video given at once.
type Stream struct {
	b          tensor.Backend
	past, next memory
	recording  bool
}

// memory is what the layers have noted, in order.
type memory struct {
	layers []string
	of     map[string]*tensor.Tensor
}

// NewStream returns a memory of nothing. It lies with b, which is to run all
// passes that the stream is given to.
func NewStream(b tensor.Backend) *Stream { return &Stream{b: b} }

// Record makes the next forward pass note what its successor needs; Advance
// ends it.
func (s *Stream) Record() { s.recording, s.next = true, memory{of: map[string]*tensor.Tensor{}} }

// Advance makes what was noted the past.
func (s *Stream) Advance() {
	s.Close()
	s.recording, s.past, s.next = false, s.next, memory{}
}

// Close forgets the past, whose memory goes back to the backend.
func (s *Stream) Close() {
	for _, layer := range s.past.layers {
		s.b.Free(s.past.of[layer])
	}
	s.past = memory{}
}

// pass runs a forward pass that s remembers.
func (s *Stream) pass(forward func(*Stream) *tensor.Tensor) *tensor.Tensor {
	s.Record()
	defer s.Advance()
	return forward(s)
}

// get is what layer noted in the pass before, or nil.
func (s *Stream) get(layer string) *tensor.Tensor {
	if s == nil {
		return nil
	}
	return s.past.of[layer]
}

// keep notes t for layer. The backend copies it, since activations do not
// outlive a pass.
func (s *Stream) keep(layer string, t *tensor.Tensor) {
	if s.records() {
		s.next.layers = append(s.next.layers, layer)
		s.next.of[layer] = s.b.Keep(t)
	}
}

func (s *Stream) records() bool { return s != nil && s.recording }

// keepFrames notes the last n frames of x [N, T, H, W, C], with those of the
// past before them when x is shorter.
func (s *Stream) keepFrames(o tensor.Ops, layer string, x *tensor.Tensor, n int) {
	if !s.records() || n == 0 {
		return
	}
	if t := x.Dim(1); t >= n {
		s.keep(layer, o.Narrow(x, 1, t-n, t))
		return
	}
	past := s.get(layer)
	if past == nil {
		shape := []int{x.Dim(0), n, x.Dim(2), x.Dim(3), x.Dim(4)}
		past = o.Upload(make([]float32, tensor.Elems(shape)), shape...)
	}
	all := o.Concat(1, past, x)
	s.keep(layer, o.Narrow(all, 1, all.Dim(1)-n, all.Dim(1)))
}
