package eval

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"github.com/kinora-video/kinora/internal/scratch"
)

//go:embed page.html
var pageSource string

// page formats a report for a browser. The template escapes whatever a prompt
// holds.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent":  percent,
	"decimals": func(n int, x float64) string { return fmt.Sprintf("%.*f", n, x) },
	"dir": func(lang string) string {
		if lang == "ar" {
			return "rtl"
		}
		return "ltr"
	},
}).Parse(pageSource))

// HTML formats the report as a page; clips is the path from the page to the
// folder of the videos.
func (r *Report) HTML(clips string) ([]byte, error) {
	var b bytes.Buffer
	err := page.Execute(&b, struct {
		*Report
		Folder string
	}{r, clips})
	return b.Bytes(), err
}

// WritePage writes the page to a file.
func (r *Report) WritePage(path, clips string) error {
	data, err := r.HTML(clips)
	if err == nil {
		err = scratch.WriteBytes(path, data)
	}
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
