package reel

import "github.com/kinora-video/kinora/internal/tensor"

// A Stream is the state that a model carries between the pieces of a video: for
// each layer the last frames, the keys and values, or the sums that the next
// piece needs. Its size does not depend on the length of the video. A nil
// *Stream means that the video comes in one piece.
type Stream struct {
	b          tensor.Backend
	past, next memory
	recording  bool
}

// memory is what the layers have stored, in order.
type memory struct {
	layers []string
	of     map[string]*tensor.Tensor
}

// NewStream returns an empty state. It belongs to b, which must run all passes
// that use the stream.
func NewStream(b tensor.Backend) *Stream { return &Stream{b: b} }

// Record makes the next forward pass store what its successor needs; Advance
// ends the recording.
func (s *Stream) Record() { s.recording, s.next = true, memory{of: map[string]*tensor.Tensor{}} }

// Advance makes what was recorded the past.
func (s *Stream) Advance() {
	s.Close()
	s.recording, s.past, s.next = false, s.next, memory{}
}

// Close drops the past and returns its memory to the backend.
func (s *Stream) Close() {
	for _, layer := range s.past.layers {
		s.b.Free(s.past.of[layer])
	}
	s.past = memory{}
}

// pass runs a forward pass that s records.
func (s *Stream) pass(forward func(*Stream) *tensor.Tensor) *tensor.Tensor {
	s.Record()
	defer s.Advance()
	return forward(s)
}

// get returns what layer stored in the previous pass, or nil.
func (s *Stream) get(layer string) *tensor.Tensor {
	if s == nil {
		return nil
	}
	return s.past.of[layer]
}

// keep stores t for layer. The backend copies it, since activations do not
// outlive a pass.
func (s *Stream) keep(layer string, t *tensor.Tensor) {
	if s.records() {
		s.next.layers = append(s.next.layers, layer)
		s.next.of[layer] = s.b.Keep(t)
	}
}

func (s *Stream) records() bool { return s != nil && s.recording }

// keepFrames stores the last n frames of x [N, T, H, W, C]; if x is shorter,
// frames of the past come first.
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
