package kinora_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/kinora-video/kinora"
)

// The model testcard stands in for reel here, so that the example takes no
// time; open "reel" for a video of what the prompt says.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "kinora-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	m, err := kinora.Open(ctx, "testcard", kinora.WithLatentsDir(dir))
	if err != nil {
		log.Fatal(err)
	}
	clip, err := m.Generate(ctx, kinora.Request{
		Prompt:  "a red ball bounces on a beach at sunset",
		Seconds: 1,
		Seed:    7,
		Progress: func(p kinora.Progress) {
			if p.Done == p.Total {
				fmt.Println(p.Phase, "is over after", p.Total)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := clip.Save(ctx, filepath.Join(dir, "ball.webp")); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d frames of %d×%d, %v\n", clip.FrameCount, clip.Width, clip.Height, clip.Duration())
	// Output:
	// sampling is over after 4
	// drawing is over after 24
	// 24 frames of 256×160, 1s
}

// Frames gives the pictures themselves.
func ExampleClip_Frames() {
	ctx := context.Background()
	m, err := kinora.Open(ctx, "testcard", kinora.WithLatentsDir(os.TempDir()))
	if err != nil {
		log.Fatal(err)
	}
	clip, err := m.Generate(ctx, kinora.Request{Prompt: "bars", Seconds: 0.5})
	if err != nil {
		log.Fatal(err)
	}
	defer clip.Discard()
	n := 0
	for img, err := range clip.Frames(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		if n == 0 {
			fmt.Println("the first frame is", img.Bounds().Dx(), "by", img.Bounds().Dy())
		}
		n++
	}
	fmt.Println(n, "frames")
	// Output:
	// the first frame is 256 by 160
	// 12 frames
}
