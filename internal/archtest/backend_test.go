package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Models, samplers, trainers and what measures them know operations, not
// machines. These rooms and files may name the processor all the same: where
// backends are made, where the formats of weights are converted, and where
// kernels are measured.
var knowsTheProcessor = []string{"internal/backend", "internal/weights/safetensors", "internal/weights/convert", "internal/bench/kernels.go", "internal/bench/linear.go", "internal/bench/throughput.go"}

// hostFiles may read a tensor's memory: parameters start there.
var hostFiles = []string{"internal/nn/params.go"}

// machineFaults says where a file above the backends names the processor.
func machineFaults(path string, src []byte) ([]string, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out []string
	report := func(n ast.Node, what string) {
		out = append(out, fmt.Sprintf("%s:%d %s", path, set.Position(n.Pos()).Line, what))
	}
	tensors := false
	for _, i := range f.Imports {
		imp := room(strings.Trim(i.Path.Value, `"`))
		tensors = tensors || imp == "internal/tensor"
		if strings.HasPrefix(imp, "internal/kernel/") {
			report(i, "imports "+imp+": kernels are the backend's")
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "tensor" && slices.Contains([]string{"CPU", "NewCPU"}, n.Sel.Name) {
				report(n, "names tensor."+n.Sel.Name+": package backend makes what computes")
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && tensors && s.Sel.Name == "Data" && len(n.Args) == 0 && !slices.Contains(hostFiles, path) {
				report(n, "reads the memory of a tensor: download it")
			}
		}
		return true
	})
	return out, nil
}

// TestModelsKnowNoMachine reads every file of the program above the backends.
func TestModelsKnowNoMachine(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata" || d.Name() == "runs") {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel = filepath.ToSlash(rel)
		r := strings.TrimSuffix(strings.TrimSuffix(rel, filepath.Base(rel)), "/")
		floor, ok := floorOf(r)
		if !ok || floor < 2 || slices.Contains(knowsTheProcessor, r) || slices.Contains(knowsTheProcessor, rel) {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := machineFaults(rel, src)
		for _, f := range found {
			t.Error(f)
		}
		seen++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Errorf("only %d files were read", seen)
	}
}

// TestMachineRules checks the rule on files that break it.
func TestMachineRules(t *testing.T) {
	const head = "package x\nimport \"" + module + "/internal/tensor\"\n"
	for _, tt := range []struct{ path, src, want string }{
		{"internal/model/x/a.go", head + "func f(o tensor.Ops, x *tensor.Tensor) { o.Add(x, x) }", ""},
		{"internal/model/x/a.go", head + "func f(c *tensor.CPU) {}", "tensor.CPU"},
		{"internal/train/a.go", head + "var b = tensor.NewCPU(tensor.BF16)", "tensor.NewCPU"},
		{"internal/eval/a.go", head + "func f(x *tensor.Tensor) float32 { return x.Data()[0] }", "reads the memory"},
		{"internal/nn/params.go", head + "func f(x *tensor.Tensor) float32 { return x.Data()[0] }", ""},
		{"internal/store/a.go", "package x\nfunc f(r interface{ Data() int }) int { return r.Data() }", ""},
		{"internal/nn/a.go", "package x\nimport _ \"" + module + "/internal/kernel/gemm\"", "internal/kernel/gemm"},
	} {
		found, err := machineFaults(tt.path, []byte(tt.src))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(found, "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s, %q: %q, want %q", tt.path, tt.src, got, tt.want)
		}
	}
}
