package studio

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

// page is a page of the studio, made of layout.html and a file of its own.
type page struct {
	name   string
	module string // static/js/…, which brings it to life
	scope  string // that the key of a session must have; "" for any
	tmpl   *template.Template
}

// place is a page that the navigation leads to.
type place struct {
	Name, Path, Icon, Scope string
}

// places are the navigation, in its order.
var places = []place{
	{"create", Path, "create", web.ScopeJobsWrite},
	{"queue", Path + "queue", "queue", web.ScopeJobsRead},
	{"library", Path + "library", "library", web.ScopeJobsRead},
}

// view is what a page is made of.
type view struct {
	Page   string
	Lang   string // BCP 47
	Dir    string // ltr or rtl
	Theme  string // dark, light or auto
	Words  words
	Places []place
	Module string
	Style  string
	Icons  string
	Icon   string

	SignedIn bool
	Project  string
	Token    string
	CanWrite bool

	Next    string // where to go after signing in
	Problem string // what went wrong
	Title   string
}

// Themes are what the menu offers.
func (*view) Themes() []string { return themes }

// T is a text in the page's language.
func (v *view) T(key string) string { return v.Words.text(key) }

// newPages parses all templates, so that a fault in one shows at start.
func newPages(a assets) (map[string]*page, error) {
	all := map[string]*page{}
	for _, p := range []page{
		{name: "create", module: "js/create.js", scope: web.ScopeJobsRead},
		{name: "queue", module: "js/queue.js", scope: web.ScopeJobsRead},
		{name: "library", module: "js/library.js", scope: web.ScopeJobsRead},
		{name: "sign-in", module: "js/sign-in.js"},
		{name: "enter", module: "js/enter.js"},
		{name: "error"},
	} {
		var err error
		p.tmpl, err = template.New("layout.html").Funcs(template.FuncMap{"asset": a.at}).ParseFS(templateFiles, "templates/layout.html", "templates/"+p.name+".html")
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", p.name, err)
		}
		all[p.name] = &p
	}
	return all, checkWords()
}

// show answers with a page for those who are signed in, and leads others to the
// form.
func (s *Studio) show(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		secret := secretOf(r)
		who, err := s.o.Sessions.Session(r.Context(), secret)
		if err != nil {
			next := signInPath
			if r.URL.Path != Path {
				next += "?next=" + template.URLQueryEscaper(r.URL.RequestURI())
			}
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
		web.InfoOf(r.Context()).Project = who.Project.ID
		p := s.pages[name]
		if p.scope != "" && !who.Can(p.scope) {
			s.render(w, r, http.StatusForbidden, "error", &who, &view{Problem: s.words(r).text("error.scope") + " " + p.scope})
			return
		}
		s.render(w, r, http.StatusOK, name, &who, &view{Token: tokenOf(secret)})
	}
}

// render answers with a page. who is nil for those who are not signed in.
func (s *Studio) render(w http.ResponseWriter, r *http.Request, status int, name string, who *auth.Principal, v *view) {
	p := s.pages[name]
	v.Page, v.Lang, v.Theme = name, langOf(r), themeOf(r)
	v.Words = translations[v.Lang]
	v.Dir = "ltr"
	if v.Lang == "ar" {
		v.Dir = "rtl"
	}
	v.Title = v.T("page." + name)
	if p.module != "" {
		v.Module = s.files.at(p.module)
	}
	v.Style, v.Icons, v.Icon = s.files.at("studio.css"), s.files.at("icons.svg"), s.files.at("icon.svg")
	if who != nil {
		v.SignedIn, v.Project, v.CanWrite = true, who.Project.Name, who.Can(web.ScopeJobsWrite)
		for _, pl := range places {
			if who.Can(pl.Scope) {
				v.Places = append(v.Places, pl)
			}
		}
		if v.Token == "" {
			v.Token = tokenOf(secretOf(r))
		}
	}
	var out bytes.Buffer
	if err := p.tmpl.Execute(&out, v); err != nil {
		_ = web.Report(r, err) // for the log
		http.Error(w, "this page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Cookie, Accept-Language")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the reader may have gone
}

// refuse answers with a page that says what is wrong.
func (s *Studio) refuse(w http.ResponseWriter, r *http.Request, status int, key string) {
	s.render(w, r, status, "error", nil, &view{Problem: s.words(r).text(key)})
}

func (s *Studio) notFound(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, http.StatusNotFound, "error.missing")
}

// themes are the values of the cookie that says how pages look.
var themes = []string{"dark", "light", "auto"}

// themeOf is the theme that a browser asked for; dark is the studio's own.
func themeOf(r *http.Request) string {
	if c, err := r.Cookie("kinora_theme"); err == nil && slices.Contains(themes, c.Value) {
		return c.Value
	}
	return themes[0]
}
