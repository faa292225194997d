package tensortest

import (
	"strings"
	"testing"

	"github.com/kinora-video/kinora/internal/tensor"
)

// TestOpaqueRefuses checks that the backend panics where its comment says so.
func TestOpaqueRefuses(t *testing.T) {
	o, other := NewOpaque(tensor.NewCPU(tensor.F32)), NewOpaque(tensor.NewCPU(tensor.F32))
	x := o.Upload([]float32{1, 2, 3}, 3)
	kept := o.Keep(x)
	var lost *tensor.Tensor
	out := o.Scope(func() *tensor.Tensor {
		lost = o.Scale(x, 2)
		return o.Scale(lost, 2)
	})
	if got := tensor.Values(o, out); got[2] != 12 {
		t.Fatalf("4·3 is %g", got[2])
	}
	freed := o.Keep(x)
	o.Free(freed)
	for name, c := range map[string]struct {
		do   func()
		want string
	}{
		"host access":        {func() { out.Data() }, "not on the host"},
		"another backend":    {func() { other.Scale(x, 1) }, "another backend"},
		"the CPU":            {func() { tensor.NewCPU(tensor.F32).Scale(x, 1) }, "not in the CPU's memory"},
		"not uploaded":       {func() { o.Add(x, tensor.Zeros(3)) }, "not uploaded"},
		"the end of a scope": {func() { o.Scale(lost, 1) }, "freed"},
		"what was freed":     {func() { o.Scale(freed, 1) }, "freed"},
	} {
		refused(t, name, c.do, c.want)
	}
	o.Reset()
	refused(t, "a result after Reset", func() { o.Scale(out, 1) }, "freed")
	if got := tensor.Values(o, kept); got[0] != 1 || o.Held() != 1 {
		t.Errorf("what was kept is %v, with %d tensors held", got, o.Held())
	}
}

func refused(t *testing.T, name string, do func(), want string) {
	t.Helper()
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, want) {
			t.Errorf("%s: panic %q, want one that says %q", name, p, want)
		}
	}()
	do()
}

// TestOpaqueReady: parameters are made ready while operations run.
func TestOpaqueReady(t *testing.T) {
	o := NewOpaque(tensor.NewCPU(tensor.F32))
	params := make([]*tensor.Tensor, 500)
	for i := range params {
		params[i] = tensor.Param(4)
		params[i].Set([]float32{float32(i), 1, 2, 3})
		params[i].Fix()
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for _, p := range params {
			o.Ready(p)
		}
	}()
	x := o.Upload([]float32{1, 1, 1, 1}, 4)
	for i, p := range params {
		if got := tensor.Values(o, o.Add(x, p)); got[0] != float32(i+1) {
			t.Fatalf("parameter %d and 1 are %g", i, got[0])
		}
	}
	<-done
	if o.Held() < len(params) {
		t.Errorf("%d tensors are held", o.Held())
	}
}
