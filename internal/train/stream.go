package train

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/kinora-video/kinora/internal/model/reel"
	"github.com/kinora-video/kinora/internal/world"
)

// StreamOptions say what Stream writes.
type StreamOptions struct {
	First    uint64 // id of the first window
	Windows  int    // in all; 0 for no end
	Groups   int    // of a window, the single first frame included
	Captions int    // how many describe each window
	Seed     uint64 // for the choice of captions
}

// StreamHeader is the first line of a stream, in JSON. Records of equal size
// follow, each of which is a window; numbers are little-endian:
//
//	f32 [1]               the video's length in seconds
//	f32 [Groups]          where in its video each group begins, 0 to 1
//	u16 [Captions, Max]   tokens of captions that describe it, padded with 0
//	u8  [Groups, H/16, W/16]  the share of a latent's frames that show an actor, times 255
//	u8  [Frames, H, W, 3] RGB
type StreamHeader struct {
	Format   string `json:"format"` // StreamFormat
	Record   int    `json:"record"` // bytes of a record
	Frames   int    `json:"frames"`
	Groups   int    `json:"groups"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Captions int    `json:"captions"`
	Max      int    `json:"max"` // tokens of a caption
	// Storybook is the edition whose words the captions have; 0 if they are not
	// the storybook's.
	Storybook world.Edition `json:"storybook"`
}

// StreamFormat is the format of a stream that this package writes.
const StreamFormat = "kinora-windows-1"

// Stream writes windows of videos for the trainer in tools/reference, which
// runs on a GPU. It draws them on all processors. The same options give the
// same bytes.
func Stream(ctx context.Context, m *reel.Model, src Source, out io.Writer, o StreamOptions) error {
	if o.Windows < 0 || o.Groups < 2 || o.Groups > 129 || o.Captions < 1 || o.Captions > 1024 {
		return fmt.Errorf("stream: windows %d must not be below 0, groups %d 2 to 129, captions %d 1 to 1024", o.Windows, o.Groups, o.Captions)
	}
	c := m.Config
	h := StreamHeader{
		Format: StreamFormat, Frames: reel.Frames(o.Groups), Groups: o.Groups, Width: c.Width, Height: c.Height, Captions: o.Captions, Max: c.Text.Max,
		Storybook: src.Edition(),
	}
	h.Record = 4 + 4*h.Groups + 2*h.Captions*h.Max + h.Groups*(h.Height/16)*(h.Width/16) + h.Frames*h.Height*h.Width*3
	if err := json.NewEncoder(out).Encode(h); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return inOrder(ctx, o.Windows, func(i int) ([]byte, error) {
		return record(ctx, m, src, h, o.First+uint64(i), o.Seed)
	}, func(b []byte) error {
		_, err := out.Write(b)
		return err
	})
}

// inOrder makes items 0 ≤ i < n, or without end if n is 0, on all processors
// and uses them one after another.
func inOrder[T any](ctx context.Context, n int, mk func(i int) (T, error), use func(T) error) error {
	ahead := 2 * runtime.GOMAXPROCS(0)
	queue := make(chan chan result[T], ahead)
	busy := make(chan struct{}, runtime.GOMAXPROCS(0))
	go func() {
		defer close(queue)
		for i := 0; n == 0 || i < n; i++ {
			slot := make(chan result[T], 1)
			select {
			case queue <- slot:
			case <-ctx.Done():
				return
			}
			busy <- struct{}{}
			go func() {
				defer func() { <-busy }()
				v, err := mk(i)
				slot <- result[T]{v, err}
			}()
		}
	}()
	for slot := range queue {
		r := <-slot
		if r.err != nil {
			return r.err
		}
		if err := use(r.batch); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// record returns window id in the format of a stream.
func record(ctx context.Context, m *reel.Model, src Source, h StreamHeader, id, seed uint64) ([]byte, error) {
	w, err := src.Window(ctx, id, h.Frames, h.Width, h.Height, m.Config.FPS)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, h.Record)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(w.Seconds)))
	for g := range h.Groups {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(reel.PlaceOf(g, w.Start, w.Seconds, m.Config.FPS)))
	}
	rng := rand.New(rand.NewPCG(seed, id))
	for range h.Captions {
		ids := m.Tokens(w.Caption(rng.Uint64N(3 * 4096)))
		for i := range h.Max {
			var id uint16
			if i < len(ids) {
				id = uint16(ids[i])
			}
			b = binary.LittleEndian.AppendUint16(b, id)
		}
	}
	shares := make([]float32, h.Groups*(h.Height/16)*(h.Width/16))
	if w.Actors != nil {
		shares = actorShares(w, h.Groups, h.Height/16, h.Width/16)
	}
	for _, s := range shares {
		b = append(b, byte(s*255+0.5))
	}
	return append(b, w.Frames...), nil
}
