package nn

import (
	"slices"
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// theirs are names of files for the two blocks of layers, which have other
// numbers in them than those of blocks.
var theirs = []*Layout{
	{Title: "plain"},
	{Title: "dressed", Prefix: "net.", Names: [][2]string{
		{"block.#.", "layers.#.fc2."},
		{"out.1.weight", "head"},
		{"table", "embedding"},
	}},
}

func TestLayoutNames(t *testing.T) {
	l := theirs[1]
	for own, file := range map[string]string{
		"block.3.weight": "net.layers.3.fc2.weight",
		"block.12.bias":  "net.layers.12.fc2.bias",
		"out.1.weight":   "net.head",
		"out.1.weights":  "net.out.1.weights",
		"table":          "net.embedding",
		"tables":         "net.tables",
		"other.0.weight": "net.other.0.weight",
	} {
		if got := l.Name(own); got != file {
			t.Errorf("%s is called %s in the file, want %s", own, got, file)
		}
		if got := l.Own(file); got != own {
			t.Errorf("%s of the file is called %s, want %s", file, got, own)
		}
	}
}

// listed is a shelf that tells its names.
type listed struct{ *shelf }

func (l listed) Names() []string {
	var out []string
	for n := range l.tensors {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// TestRename takes the parameters of a model from a file that names them in its
// own way.
func TestRename(t *testing.T) {
	from := stocked()
	to := &shelf{}
	for name, s := range from.tensors {
		if to.tensors == nil {
			to.tensors, to.shapes = map[string]tensor.Stored{}, map[string][]int{}
		}
		n := theirs[1].Name(name)
		to.tensors[n], to.shapes[n] = s, from.shapes[name]
	}
	r, err := Rename(to, "block.0.weight", theirs)
	if err != nil || r.Layout != theirs[1] {
		t.Fatal(r, err)
	}
	p := InPlace(r)
	_, b := layers(p)
	if p.Err() != nil || b.B.Values()[1] != 8 {
		t.Error(p.Err(), b.B.Values())
	}
	all := r.Aliases(theirs)("net.layers.1.fc2.bias")
	if !slices.Equal(all, []string{"block.1.bias", "net.layers.1.fc2.bias"}) {
		t.Errorf("the names of one parameter are %q", all)
	}
	to.put("net.layers.2.fc2.bias", []float32{1}, 1)
	to.put("net.scaled", []float32{1}, 1)
	to.put("tokenizer", []float32{1}, 1)
	to.put("net.layers.1.fc2.bias.scale", []float32{1}, 1)
	left := r.Layout.Unused(listed{to}, p, func(name string) bool { return name == "scaled" })
	if !slices.Equal(left, []string{"net.layers.2.fc2.bias"}) {
		t.Errorf("unused are %q", left)
	}
	_, err = Rename(&shelf{}, "block.0.weight", theirs)
	if err == nil || !strings.Contains(err.Error(), `"block.0.weight" (plain), "net.layers.0.fc2.weight" (dressed)`) {
		t.Error(err)
	}
}
