package main

import (
	"bytes"
	"os"
	"testing"
)

// TestModelsPage: docs/models.md is what its command prints.
func TestModelsPage(t *testing.T) {
	want, err := os.ReadFile("../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := (&ModelsCmd{Markdown: true}).Run(streams{out: &got}); err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("docs/models.md is not what the models say of themselves: write it again with kinora models --markdown > docs/models.md")
	}
}
