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

// A language model that was pulled (kinora pull smollm2) answers, and then goes on with
// the conversation.
func ExampleOpenChat() {
	ctx := context.Background()
	model, err := kinora.OpenChat(ctx, "smollm2", kinora.ChatOptions{})
	if err != nil {
		log.Fatal(err) // says what to pull
	}
	defer model.Close()
	request := kinora.ChatRequest{
		Messages: []kinora.Message{{Role: kinora.User, Text: "Name three birds."}},
		Decoding: kinora.DefaultDecoding, MaxTokens: 200,
		Cache: "ann", // so that the next turn does not compute this one again
	}
	for _, next := range []string{"Which of them is the largest?", ""} {
		answer, err := model.Answer(ctx, request, func(p kinora.ChatPiece) error {
			fmt.Print(p.Text)
			return nil
		})
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Printf("\n(%d tokens, %v)\n", answer.AnswerTokens, answer.AnswerTime)
		request.Messages = append(request.Messages, kinora.Message{Role: kinora.Assistant, Text: answer.Text}, kinora.Message{Role: kinora.User, Text: next})
	}
}

// An answer can be held to a JSON schema: it is nothing else, whatever the model would
// rather say.
func ExampleSchemaFormat() {
	ctx := context.Background()
	model, err := kinora.OpenChat(ctx, "", kinora.ChatOptions{}) // the one that was pulled last
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	answer, err := model.Answer(ctx, kinora.ChatRequest{
		Messages: []kinora.Message{{Role: kinora.User, Text: "Is a whale a fish? Answer as JSON."}},
		Format:   kinora.SchemaFormat([]byte(`{"type": "object", "properties": {"fish": {"type": "boolean"}}, "required": ["fish"]}`)),
	}, nil)
	fmt.Println(answer.Text, err)
}
