package studio

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
)

// setting is a studio on a database, with keys to sign in with.
type setting struct {
	*Studio
	auth             *auth.Auth
	db               *store.DB
	key, reader, bad string
	who              auth.Principal
}

func newSetting(t *testing.T) *setting {
	t.Helper()
	db := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{})
	p, err := db.CreateProject(t.Context(), store.Project{Name: "club", Plan: "payg", Weight: 1})
	if err != nil {
		t.Fatal(err)
	}
	a := auth.New(db, auth.Options{})
	s := &setting{auth: a, db: db, bad: "kn-nothing"}
	issue := func(name string, scopes ...string) string {
		key, _, err := auth.Issue(t.Context(), db, store.Key{Project: p.ID, Name: name, Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	s.key, s.reader = issue("all"), issue("usage alone", auth.ScopeUsage)
	if s.who, err = a.Check(t.Context(), s.key); err != nil {
		t.Fatal(err)
	}
	s.Studio, err = New(Options{Sessions: a, Check: func(ctx context.Context, key string, _ netip.Addr) (auth.Principal, error) { return a.Check(ctx, key) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do sends a request as a browser on a page of the studio would.
func (s *setting) do(t *testing.T, method, path, form string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://kinora.test"+path, strings.NewReader(form))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, 1<<16)
	for {
		n, err := r.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

func cookieOf(t *testing.T, r *http.Response) *http.Cookie {
	t.Helper()
	for _, c := range r.Cookies() {
		if strings.HasSuffix(c.Name, cookieName) {
			return c
		}
	}
	t.Fatalf("no cookie in %d %v", r.StatusCode, r.Header)
	return nil
}

func (s *setting) signedIn(t *testing.T) string {
	t.Helper()
	resp := s.do(t, "POST", signInPath, url.Values{"key": {s.key}}.Encode())
	c := cookieOf(t, resp)
	return c.Name + "=" + c.Value
}

func (s *setting) good(t *testing.T, cookie string) bool {
	t.Helper()
	_, value, _ := strings.Cut(cookie, "=")
	_, err := s.auth.Session(t.Context(), value)
	if err != nil && job.CodeOf(err) != job.Unauthorized {
		t.Fatal(err)
	}
	return err == nil
}

// TestSignIn: a key that holds gives a cookie that no script reads and no other site
// sends, and whose value is not the key; another gives none.
func TestSignIn(t *testing.T) {
	s := newSetting(t)
	resp := s.do(t, "POST", signInPath, url.Values{"key": {" " + s.key + "\n"}, "next": {"/studio/queue"}}.Encode())
	c := cookieOf(t, resp)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/studio/queue" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" ||
		strings.Contains(c.Value, s.key) || time.Until(c.Expires) < 24*time.Hour {
		t.Errorf("%d to %q with %+v", resp.StatusCode, resp.Header.Get("Location"), c)
	}
	for _, key := range []string{s.bad, "", s.key[:20], s.key + "x", "<script>alert(1)</script>"} {
		resp := s.do(t, "POST", signInPath, url.Values{"key": {key}}.Encode())
		if page := bodyOf(t, resp); resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) > 0 || !strings.Contains(page, `role="alert"`) || strings.Contains(page, "<script>alert") || key != "" && strings.Contains(page, key) {
			t.Errorf("key %q: %d, %v", key, resp.StatusCode, resp.Cookies())
		}
	}
	resp = s.do(t, "POST", signInPath, strings.Repeat("x", maxForm+1)+"="+s.key)
	if resp.StatusCode != http.StatusBadRequest || len(resp.Cookies()) > 0 {
		t.Errorf("a form that is too large: %d", resp.StatusCode)
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "https://kinora.test"+signInPath, strings.NewReader(url.Values{"key": {s.key}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if c := cookieOf(t, w.Result()); !c.Secure || c.Name != cookieSecure {
		t.Errorf("over https: %+v", c)
	}
}

// TestNext: after signing in nobody is led away from the studio.
func TestNext(t *testing.T) {
	for given, want := range map[string]string{
		"": Path, "/studio/queue": "/studio/queue", "/studio/?remix=job_1": "/studio/?remix=job_1", "/studio/queue#x": "/studio/queue",
		"https://evil.example/studio/": Path, "//evil.example/studio/": Path, "/v1/jobs": Path, "javascript:alert(1)": Path, "/studio/../v1/jobs": Path,
		`/studio/\evil`: Path, "/studio/%0d%0aSet-Cookie:x": "/studio/%0D%0ASet-Cookie:x", "studio/": Path, "/\\evil.example": Path,
	} {
		if got := nextOf(given); got != want {
			t.Errorf("%q leads to %q, want %q", given, got, want)
		}
	}
}

// TestPages: pages are for those who are signed in and have the scope; each has a
// strict policy, its own nonce of nothing inline, and its texts in its language.
func TestPages(t *testing.T) {
	s := newSetting(t)
	cookie := s.signedIn(t)
	for _, p := range places {
		if resp := s.do(t, "GET", p.Path, ""); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), signInPath) {
			t.Errorf("%s without a session: %d %s", p.Path, resp.StatusCode, resp.Header.Get("Location"))
		}
		for lang, dir := range map[string]string{"en": "ltr", "zh": "ltr", "ar": "rtl"} {
			resp := s.do(t, "GET", p.Path, "", "Cookie", cookie, "Accept-Language", lang)
			page := bodyOf(t, resp)
			if resp.StatusCode != http.StatusOK || !strings.Contains(page, `lang="`+lang+`" dir="`+dir+`"`) || !strings.Contains(page, translations[lang]["page."+p.Name]) {
				t.Errorf("%s in %s: %d", p.Path, lang, resp.StatusCode)
			}
			if found := inline.FindString(page); found != "" {
				t.Errorf("%s has something inline: %s", p.Path, found)
			}
			if strings.Contains(page, s.key) || strings.Contains(page, cookie[strings.Index(cookie, "=")+1:]) || strings.Contains(page, "ZgotmplZ") {
				t.Errorf("%s holds a secret, or what the templates refused", p.Path)
			}
		}
	}
	reader, _, err := s.auth.StartSession(t.Context(), mustCheck(t, s, s.reader))
	if err != nil {
		t.Fatal(err)
	}
	if resp := s.do(t, "GET", Path, "", "Cookie", cookieName+"="+reader); resp.StatusCode != http.StatusForbidden || !strings.Contains(bodyOf(t, resp), "jobs:read") {
		t.Errorf("without the scope: %d", resp.StatusCode)
	}
	if resp := s.do(t, "GET", Path+"nothing", "", "Cookie", cookie); resp.StatusCode != http.StatusNotFound || !strings.Contains(bodyOf(t, resp), translations["en"]["error.missing"]) {
		t.Errorf("no such page: %d", resp.StatusCode)
	}
	if resp := s.do(t, "GET", signInPath, "", "Cookie", cookie); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("the form, signed in: %d", resp.StatusCode)
	}
}

func mustCheck(t *testing.T, s *setting, key string) auth.Principal {
	t.Helper()
	who, err := s.auth.Check(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// inline is what the policy would refuse: scripts and styles within a page, and what
// an element does by an attribute.
var inline = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>|<script type="module">[^<]|javascript:|https?://`)

// TestHeaders: every answer of the studio forbids frames, foreign scripts and referers.
func TestHeaders(t *testing.T) {
	s := newSetting(t)
	for _, path := range []string{Path, signInPath, enterPath, Path + "nothing", s.files.at("studio.css"), s.files.at("js/core.js"), staticPath + "x/../../"} {
		h := s.do(t, "GET", path, "").Header
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestStatic: files have an address of their version, under which a browser may keep
// them, and the right type; nothing else of the program is there.
func TestStatic(t *testing.T) {
	s := newSetting(t)
	for name, kind := range map[string]string{"studio.css": "text/css", "js/create.js": "text/javascript", "icons.svg": "image/svg+xml"} {
		resp := s.do(t, "GET", s.files.at(name), "")
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), kind) || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
		old := s.do(t, "GET", staticPath+"old/"+name, "")
		if old.StatusCode != 200 || strings.Contains(old.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s of another version: %d %v", name, old.StatusCode, old.Header)
		}
	}
	for _, name := range []string{"templates/layout.html", "../page.go", "%2e%2e/page.go", "words/en.json", ""} {
		if resp := s.do(t, "GET", staticPath+"x/"+name, ""); resp.StatusCode == 200 {
			t.Errorf("%q is there", name)
		}
	}
}

// TestSignOut: a stolen cookie is worthless after its owner signed out, which another
// site cannot make him do.
func TestSignOut(t *testing.T) {
	s := newSetting(t)
	cookie := s.signedIn(t)
	_, secret, _ := strings.Cut(cookie, "=")
	token := url.Values{"token": {tokenOf(secret)}}.Encode()
	for name, resp := range map[string]*http.Response{
		"no token":          s.do(t, "POST", outPath, "x=1", "Cookie", cookie),
		"another token":     s.do(t, "POST", outPath, "token="+tokenOf("other"), "Cookie", cookie),
		"another site":      s.do(t, "POST", outPath, token, "Cookie", cookie, "Sec-Fetch-Site", "cross-site"),
		"a sibling's page":  s.do(t, "POST", outPath, token, "Cookie", cookie, "Sec-Fetch-Site", "same-site"),
		"an older browser":  s.do(t, "POST", outPath, token, "Cookie", cookie, "Sec-Fetch-Site", "", "Origin", "https://evil.example"),
		"GET is no request": s.do(t, "GET", outPath, "", "Cookie", cookie),
	} {
		if resp.StatusCode < 400 || !s.good(t, cookie) {
			t.Errorf("%s: %d, still signed in: %v", name, resp.StatusCode, s.good(t, cookie))
		}
	}
	resp := s.do(t, "POST", outPath, token, "Cookie", cookie)
	if c := cookieOf(t, resp); resp.StatusCode != http.StatusSeeOther || c.MaxAge >= 0 || c.Value != "" || s.good(t, cookie) {
		t.Errorf("%d %+v, still signed in: %v", resp.StatusCode, c, s.good(t, cookie))
	}
	if resp := s.do(t, "GET", Path, "", "Cookie", cookie); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("the stolen cookie opens a page: %d", resp.StatusCode)
	}
}

// TestSignInFromAnotherSite: another site cannot sign a browser in, not even with a
// key of its own.
func TestSignInFromAnotherSite(t *testing.T) {
	s := newSetting(t)
	form := url.Values{"key": {s.key}}.Encode()
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "http://evil.example"}} {
		if resp := s.do(t, "POST", signInPath, form, h...); resp.StatusCode != http.StatusForbidden || len(resp.Cookies()) > 0 {
			t.Errorf("%v: %d %v", h, resp.StatusCode, resp.Cookies())
		}
	}
}

// TestEnter: a one-time code signs one browser in, once; it is in no address that a
// server sees.
func TestEnter(t *testing.T) {
	s := newSetting(t)
	path, code, ok := strings.Cut(s.Invite(s.who), "#")
	if !ok || path != enterPath || len(code) < 26 {
		t.Fatalf("the invitation is %q %q", path, code)
	}
	form := url.Values{"code": {code}}.Encode()
	if resp := s.do(t, "POST", enterPath, form, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %d", resp.StatusCode)
	}
	if resp := s.do(t, "GET", enterPath, ""); resp.StatusCode != 200 || strings.Contains(bodyOf(t, resp), code) {
		t.Errorf("the page: %d", resp.StatusCode)
	}
	resp := s.do(t, "POST", enterPath, form)
	if c := cookieOf(t, resp); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != Path || !s.good(t, c.Name+"="+c.Value) {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	for _, again := range []string{form, "code=", "code=x", ""} {
		if resp := s.do(t, "POST", enterPath, again); resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) > 0 {
			t.Errorf("%q: %d %v", again, resp.StatusCode, resp.Cookies())
		}
	}
	_, late, _ := strings.Cut(s.Invite(s.who), "#")
	if _, ok := s.codes.take(late, time.Now().Add(codeTime)); ok {
		t.Error("a code is good past its time")
	}
}

// TestAuthenticate: what the API is told of requests with a session.
func TestAuthenticate(t *testing.T) {
	s := newSetting(t)
	cookie := s.signedIn(t)
	_, secret, _ := strings.Cut(cookie, "=")
	token := tokenOf(secret)
	for name, tt := range map[string]struct {
		method string
		header []string
		given  bool
		code   job.Code
	}{
		"no cookie":                 {"GET", nil, false, ""},
		"reading":                   {"GET", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, true, ""},
		"reading, without a page":   {"GET", []string{"Cookie", cookie, "Sec-Fetch-Site", "none"}, true, ""},
		"reading from another site": {"GET", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, true, job.Forbidden},
		"changing":                  {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin", CSRFHeader, token}, true, ""},
		"no token":                  {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, true, job.Forbidden},
		"no token, DELETE":          {"DELETE", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, true, job.Forbidden},
		"another token":             {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin", CSRFHeader, tokenOf("x")}, true, job.Forbidden},
		"another site":              {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site", CSRFHeader, token}, true, job.Forbidden},
		"another port":              {"POST", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site", CSRFHeader, token}, true, job.Forbidden},
		"an older browser":          {"POST", []string{"Cookie", cookie, "Origin", "http://evil.example", CSRFHeader, token}, true, job.Forbidden},
		"another secret":            {"GET", []string{"Cookie", cookieName + "=" + strings.Repeat("A", 43)}, true, job.Unauthorized},
		"a key is no secret":        {"GET", []string{"Cookie", cookieName + "=" + s.key}, true, job.Unauthorized},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "http://kinora.test/v1/jobs", nil)
		for i := 0; i+1 < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		who, ctx, done, given, err := s.Authenticate(r)
		if given != tt.given || (err == nil) != (tt.code == "") || err != nil && job.CodeOf(err) != tt.code {
			t.Errorf("%s: %v, %v", name, given, err)
		}
		if given && err == nil && (who.Project.ID != s.who.Project.ID || ctx.Err() != nil) {
			t.Errorf("%s: it is %+v", name, who)
		}
		done()
	}
}

// TestSignOutEndsStreams: an answer that is under way ends when its browser signs out.
func TestSignOutEndsStreams(t *testing.T) {
	s := newSetting(t)
	cookie := s.signedIn(t)
	_, secret, _ := strings.Cut(cookie, "=")
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://kinora.test/v1/events", nil)
	r.Header.Set("Cookie", cookie)
	_, ctx, done, _, err := s.Authenticate(r)
	defer done()
	if err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	s.do(t, "POST", outPath, url.Values{"token": {tokenOf(secret)}}.Encode(), "Cookie", cookie)
	if ctx.Err() == nil {
		t.Error("the stream goes on")
	}
}

// TestHostileNames: whatever a project is called, it is text in a page.
func TestHostileNames(t *testing.T) {
	s := newSetting(t)
	who := s.who
	who.Project.Name = `</script><img src=x onerror=alert(1)>"'&`
	for _, name := range []string{"create", "queue", "error"} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "http://kinora.test"+Path, nil)
		w := httptest.NewRecorder()
		s.render(w, r, 200, name, &who, &view{Problem: who.Project.Name, Next: who.Project.Name})
		if page := w.Body.String(); strings.Contains(page, "<img src=x") || strings.Contains(page, "</script><img") || !strings.Contains(page, "&lt;img") {
			t.Errorf("%s shows the name as HTML", name)
		}
	}
}

// TestLanguage: a choice wins over the browser's wish, which wins over English.
func TestLanguage(t *testing.T) {
	for _, tt := range [][3]string{
		{"", "", "en"},
		{"", "fr-FR,fr", "en"},
		{"", "zh-TW,zh;q=0.9,en;q=0.8", "zh"},
		{"", "ar-EG", "ar"},
		{"", "de,ar;q=0.5", "ar"},
		{"zh", "ar", "zh"},
		{"xx", "ar", "ar"},
		{"../../x", "", "en"},
		{"", "\x00;;q=", "en"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", Path, nil)
		if tt[0] != "" {
			r.AddCookie(&http.Cookie{Name: "kinora_lang", Value: tt[0]})
		}
		r.Header.Set("Accept-Language", tt[1])
		if got := langOf(r); got != tt[2] {
			t.Errorf("choice %q, wish %q: %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}

// TestWords: every text that a page or a module names is there, in every language,
// with the same values to fill in.
func TestWords(t *testing.T) {
	if err := checkWords(); err != nil {
		t.Error(err)
	}
	s := newSetting(t)
	named := regexp.MustCompile(`\bt\('([a-z.-]+)'`)
	for file, data := range s.files.files {
		for _, m := range named.FindAllStringSubmatch(string(data), -1) {
			if key := m[1]; !strings.HasSuffix(key, ".") && translations["en"][key] == "" {
				t.Errorf("%s names the text %q, which is not there", file, key)
			}
		}
	}
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	inPage := regexp.MustCompile(`\.T "([a-z.-]+)"`)
	for _, e := range entries {
		data, err := templateFiles.ReadFile("templates/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inPage.FindAllStringSubmatch(string(data), -1) {
			if translations["en"][m[1]] == "" {
				t.Errorf("%s names the text %q, which is not there", e.Name(), m[1])
			}
		}
	}
	value := regexp.MustCompile(`\{\w+\}`)
	for key, text := range translations["en"] {
		want := value.FindAllString(text, -1)
		for _, lang := range languages[1:] {
			for _, v := range want {
				if !strings.Contains(translations[lang][key], v) {
					t.Errorf("%s in %s lacks %s", key, lang, v)
				}
			}
		}
	}
}

// TestNoHTML: no module makes HTML of text, or runs text.
func TestNoHTML(t *testing.T) {
	s := newSetting(t)
	for file, data := range s.files.files {
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://(?:[^w]|w[^w])`).Find(data); found != nil {
			t.Errorf("%s has %s", file, found)
		}
	}
}

// mostPage is how much the page Create may weigh with all of its files, in bytes.
const mostPage = 130_000

// TestWeight: Create is small.
func TestWeight(t *testing.T) {
	s := newSetting(t)
	cookie := s.signedIn(t)
	sum := len(bodyOf(t, s.do(t, "GET", Path, "", "Cookie", cookie)))
	for _, data := range s.files.files {
		sum += len(data)
	}
	t.Logf("Create and all files of the studio have %d bytes", sum)
	if sum > mostPage {
		t.Errorf("Create has %d bytes with all files, more than %d", sum, mostPage)
	}
}
