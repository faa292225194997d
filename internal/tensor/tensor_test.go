package tensor

import (
	"testing"
)

// TestArenaReuses checks that freed buffers are handed out again, and buffers
// in use never are.
func TestArenaReuses(t *testing.T) {
	var a arena
	x := a.Get(1000)
	y := a.Get(1000)
	if &x[0] == &y[0] {
		t.Fatal("one buffer was handed out twice")
	}
	held := a.Bytes()
	a.Put(x)
	if z := a.Get(990); &z[0] != &x[0] {
		t.Error("a buffer of the same class was not used again")
	}
	if a.Bytes() != held {
		t.Errorf("the arena grew from %d to %d bytes", held, a.Bytes())
	}
	for n := 1; n < 1<<20; n = n*5/4 + 1 {
		list, size := class(n)
		again, same := class(size)
		most := n * 5 / 4
		if n >= large {
			most = n * 33 / 32
		}
		if size < n || same != size || again != list || n > 64 && size > most {
			t.Fatalf("%d elements: class %d of %d; that of %d is %d of %d", n, list, size, size, again, same)
		}
	}
}

func TestArenaResetAndRecycle(t *testing.T) {
	var a arena
	for range 3 {
		x, y := a.Tensor(10, 20), a.Tensor(5)
		a.Recycle(x)
		if x.st.data != nil {
			t.Error("a recycled tensor kept its data")
		}
		y.st.data[4] = 1
		a.Reset()
	}
	if a.Bytes() > 4*(256+64) {
		t.Errorf("three rounds of the same tensors hold %d bytes", a.Bytes())
	}
}

func TestViews(t *testing.T) {
	x := Param(2, 6)
	v := x.Reshape(3, 4)
	v.Data()[5] = 7
	if x.Data()[5] != 7 || v.Root() != x || !v.Needs() {
		t.Error("a view does not share what it is a view of")
	}
	defer func() {
		if recover() == nil {
			t.Error("a view of another size was made")
		}
	}()
	x.Reshape(5)
}

// TestWrongShapesPanic checks that operations refuse shapes that do not fit,
// rather than read past the data.
func TestWrongShapesPanic(t *testing.T) {
	c := NewCPU(F32)
	for name, f := range map[string]func(){
		"Linear":            func() { c.Linear(Zeros(2, 3), Zeros(4, 5), nil, None) },
		"Add":               func() { c.Add(Zeros(2), Zeros(3)) },
		"RMSNorm":           func() { c.RMSNorm(Zeros(2, 3), Zeros(2)) },
		"Modulate":          func() { c.Modulate(Zeros(5, 3), Zeros(2, 3), Zeros(2, 3)) },
		"Conv":              func() { c.Conv(Zeros(1, 1, 2, 2, 3), Zeros(4, 1, 1, 1, 2), nil, nil, None) },
		"Unshuffle":         func() { c.Unshuffle(Zeros(1, 1, 3, 2, 1), 1, 2, 2) },
		"Attention":         func() { c.Attention(Zeros(1, 2, 2, 4), Zeros(1, 2, 1, 4), Zeros(1, 2, 1, 4), Mask{}) },
		"LayerNorm":         func() { c.LayerNorm(Zeros(2, 3), Zeros(2), nil, 1) },
		"LayerNormModulate": func() { c.LayerNormModulate(Zeros(5, 3), Zeros(2, 3), Zeros(2, 3), 1) },
		"LengthNorm":        func() { c.LengthNorm(Zeros(2, 3), Zeros(2), None) },
		"SoftmaxAttention": func() {
			c.SoftmaxAttention(Zeros(1, 2, 2, 4), Zeros(1, 3, 2, 4), Zeros(1, 3, 2, 4), Zeros(5, 2), 1, Mask{})
		},
		"ConvDown": func() { c.ConvDown(Zeros(1, 1, 4, 4, 3), Zeros(4, 1, 3, 3, 2), nil, 0, None) },
		"AvgDown":  func() { c.AvgDown(Zeros(1, 1, 4, 3, 3), 3, 1, 2, 2) },
		"DupUp":    func() { c.DupUp(Zeros(1, 1, 2, 2, 5), 3, 1, 2, 2) },
		"RoPE":     func() { c.RoPE(Zeros(1, 2, 1, 4), Zeros(3, 2), Zeros(3, 2)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
