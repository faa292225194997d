package world_test

import (
	"fmt"

	"github.com/kinora-video/kinora/internal/world"
)

func Example() {
	scene := world.Sample(7, world.SampleOptions{Simple: true})
	fmt.Println(scene.Caption(world.En, 1))
	fmt.Println(scene.Labels()["subject"], scene.Labels()["camera"])

	film := world.NewRenderer(scene, 256, 160)
	frame := make([]byte, 256*160*3)
	film.Frame(frame, 2.5) // RGB at 2.5 seconds

	fmt.Println(world.Newest.UnknownWords("a red cat plays the trumpet"))
	// Output:
	// Pan right. Underwater, a small blue train drives from left to right on a bright day.
	// train pan right
	// [plays trumpet]
}
