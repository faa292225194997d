package native

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http/httptest"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/meter"
	"github.com/kinora-video/kinora/internal/store"
	"github.com/kinora-video/kinora/internal/store/storetest"
	"github.com/kinora-video/kinora/internal/web"
)

// Webhooks, usage and administration are tested on a real database.

type storeServer struct {
	*httptest.Server
	f       *apitest.Service
	db      *store.DB
	meter   *meter.Meter
	changed int
}

func newStoreServer(t *testing.T) *storeServer {
	t.Helper()
	f := apitest.New(t)
	db := storetest.Open(t, storetest.URL(t, store.SQLite), store.Options{}) // whose clock goes by itself
	m, err := meter.New(db, meter.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := &storeServer{f: f, db: db, meter: m}
	urlOK := func(u string) error {
		if strings.HasPrefix(u, "https://example.com/") {
			return nil
		}
		return errors.New("the address is private")
	}
	s.Server = f.Serve(t, New(Parts{
		Service: f, Hooks: NewHooks(db, urlOK), Tenants: NewTenants(db, m, func() { s.changed++ }), Reports: NewReports(db, m),
	}))
	return s
}

func TestNativeWebhooks(t *testing.T) {
	s := newStoreServer(t)
	for body, param := range map[string]string{
		`{"url":"http://10.0.0.1/","events":["job.failed"]}`:                                                       "url",
		`{"url":"https://example.com/a","events":[]}`:                                                              "events",
		`{"url":"https://example.com/a","events":["job.done"]}`:                                                    "events",
		`{"url":"https://example.com/a"}`:                                                                          "events",
		`{"url":"https://example.com/a","events":["job.failed"],"secret":"x"}`:                                     "secret",
		`{"url":"https://example.com/a","events":["job.failed"],"description":"` + strings.Repeat("d", 201) + `"}`: "description",
	} {
		if resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "POST", "/v1/webhooks", apitest.JSON, body); resp.StatusCode != 400 || got["param"] != param && !(param == "secret" || body == `{"url":"https://example.com/a"}`) {
			t.Errorf("%s: %d %s", body, resp.StatusCode, raw)
		}
	}
	resp, hook, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "POST", "/v1/webhooks", apitest.JSON, `{"url":"https://example.com/a","events":["job.succeeded","video.completed","job.succeeded"]}`)
	secret, _ := hook["secret"].(string)
	if resp.StatusCode != 201 || !strings.HasPrefix(secret, "whsec_") || fmt.Sprint(hook["events"]) != "[job.succeeded video.completed]" {
		t.Fatalf("%d %s", resp.StatusCode, raw)
	}
	path := "/v1/webhooks/" + hook["id"].(string)
	if _, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", path, "", ""); got["url"] != "https://example.com/a" || got["secret"] != nil || got["created_at"] != hook["created_at"] {
		t.Errorf("the secret is shown again, or another time than %v: %s", hook["created_at"], raw)
	}
	if _, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "PATCH", path, apitest.JSON, `{"enabled":false,"description":"mine"}`); got["disabled"] != "switched off" || got["description"] != "mine" {
		t.Errorf("%s", raw)
	}
	if _, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "PATCH", path, apitest.JSON, `{"enabled":true,"events":["job.failed"]}`); got["disabled"] != nil || fmt.Sprint(got["events"]) != "[job.failed]" {
		t.Errorf("%s", raw)
	}
	if resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "PATCH", path, apitest.JSON, `{"url":"http://127.0.0.1/"}`); resp.StatusCode != 400 || got["param"] != "url" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	if _, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "POST", path+"/rotate", "", ""); got["secret"] == secret || !strings.HasPrefix(fmt.Sprint(got["secret"]), "whsec_") || got["previous_secret_until"] == nil {
		t.Errorf("%s", raw)
	}
	for _, p := range []string{"GET " + path, "PATCH " + path, "POST " + path + "/rotate", "DELETE " + path, "GET " + path + "/deliveries"} {
		method, path, _ := strings.Cut(p, " ")
		body := ""
		if method == "PATCH" {
			body = "{}"
		}
		if resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyTwo, method, path, apitest.JSON, body); resp.StatusCode != 404 {
			t.Errorf("another project: %s: %d %v %s", p, resp.StatusCode, got, raw)
		}
	}
	if resp, _, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "DELETE", path, "", ""); resp.StatusCode != 204 {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	if _, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", "/v1/webhooks", "", ""); len(got["data"].([]any)) != 0 {
		t.Errorf("%s", raw)
	}
}

func TestNativeDeliveries(t *testing.T) {
	s := newStoreServer(t)
	_, hook, _ := apitest.Ask(t, s.Server, apitest.KeyOne, "POST", "/v1/webhooks", apitest.JSON, `{"url":"https://example.com/a","events":["job.failed"]}`)
	path := "/v1/webhooks/" + hook["id"].(string) + "/deliveries"
	j := job.Job{ID: job.MinID + 1, Project: s.f.Keys[apitest.KeyOne].Project.ID, State: job.Failed}
	for i := range 3 {
		err := s.db.Write(t.Context(), func(tx *store.Tx) error {
			return tx.AddDeliveries(t.Context(), j, []string{"job.failed"}, func() string { return fmt.Sprint("evt_", i) })
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // they are ordered by time
	}
	_, page, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", path+"?limit=2", "", "")
	data, _ := page["data"].([]any)
	if len(data) != 2 || page["has_more"] != true {
		t.Fatalf("%s", raw)
	}
	newest := data[0].(map[string]any)
	if newest["event_id"] != "evt_2" || newest["state"] != "pending" || newest["webhook"] != hook["id"] || newest["job"] != "job_"+j.ID.String() || newest["form"] != "standard" {
		t.Errorf("%v", newest)
	}
	before := data[1].(map[string]any)["created_at"].(string)
	if _, page, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", path+"?before="+before, "", ""); len(page["data"].([]any)) != 1 || page["has_more"] != false {
		t.Errorf("%s", raw)
	}
	if _, page, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", path+"?state=failed", "", ""); len(page["data"].([]any)) != 0 {
		t.Errorf("%s", raw)
	}
	replay := "/v1/webhooks/deliveries/" + newest["id"].(string) + "/replay"
	if resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "POST", replay, "", ""); resp.StatusCode != 409 || got["code"] != "conflict" {
		t.Errorf("one that is on its way: %d %s", resp.StatusCode, raw)
	}
	id, _ := job.ParseID(newest["id"].(string), "delivery_")
	if err := s.db.Attempted(t.Context(), int64(id), 500, "it answered 500", false, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, page, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", path+"?state=failed", "", ""); len(page["data"].([]any)) != 1 || !strings.Contains(raw, "it answered 500") {
		t.Errorf("%s", raw)
	}
	if resp, _, raw := apitest.Ask(t, s.Server, apitest.KeyTwo, "POST", replay, "", ""); resp.StatusCode != 404 {
		t.Errorf("another project replays: %d %s", resp.StatusCode, raw)
	}
	if resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "POST", replay, "", ""); resp.StatusCode != 200 || got["state"] != "pending" || got["event_id"] != "evt_2" {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
}

func TestNativeAdmin(t *testing.T) {
	s := newStoreServer(t)
	do := func(status int, method, path, body string) map[string]any {
		t.Helper()
		resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyAdmin, method, "/v1/admin/projects"+path, apitest.JSON, body)
		if resp.StatusCode != status {
			t.Fatalf("%s %s %s: %d %s", method, path, body, resp.StatusCode, raw)
		}
		return got
	}
	p := do(201, "POST", "", `{"name":"acme","plan":"payg","max_in_flight":7}`)
	if p["plan"] != "payg" || p["max_in_flight"] != 7.0 || p["weight"] != 4.0 || p["balance_usd"] != "0.00" {
		t.Errorf("%v", p)
	}
	path := "/" + p["id"].(string)
	do(409, "POST", "", `{"name":"acme"}`)
	for _, body := range []string{`{"name":"Acme!"}`, `{"name":"b","plan":"none"}`, `{"name":"b","weight":0}`, `{"name":"b","credit_limit_usd":"x"}`, `{}`} {
		do(400, "POST", "", body)
	}
	if got := do(200, "PATCH", path, `{"plan":"free","sponsored":false,"disabled":true}`); got["plan"] != "free" || got["sponsored"] != false || got["disabled_at"] == nil || s.changed != 1 {
		t.Errorf("%v, %d", got, s.changed)
	}
	if got := do(200, "PATCH", path, `{"disabled":false,"name":"acme-2"}`); got["disabled_at"] != nil || got["name"] != "acme-2" || got["plan"] != "free" {
		t.Errorf("%v", got)
	}
	for range 2 { // with the same ref it is made once
		if got := do(200, "POST", path+"/deposits", `{"amount_usd":"25.5","ref":"inv-1"}`); got["balance_usd"] != "25.50" {
			t.Errorf("%v", got)
		}
	}
	do(400, "POST", path+"/deposits", `{"amount_usd":"1e9","ref":"inv-2"}`)
	do(404, "POST", "/project_1234567890123456/deposits", `{"amount_usd":"1","ref":"inv-2"}`)
	if got := do(200, "GET", "", ""); len(got["data"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	if got := do(200, "GET", path, ""); got["balance_usd"] != "25.50" {
		t.Errorf("%v", got)
	}

	k := do(201, "POST", path+"/keys", `{"name":"production","scopes":["jobs:write","jobs:read"],"rpm":60}`)
	key := k["key"].(string)
	a := auth.New(s.db, auth.Options{Remember: time.Nanosecond})
	who, err := a.Check(t.Context(), key)
	if err != nil || who.Project.Name != "acme-2" || !who.Can("jobs:read") || who.Can("files") || who.Key.RPM != 60 {
		t.Errorf("%+v, %v", who, err)
	}
	for _, body := range []string{`{"name":"x","scopes":["root"]}`, `{"name":""}`, `{"name":"x","expires_at":"2001-01-01T00:00:00Z"}`, `{"name":"x","rpm":-1}`} {
		do(400, "POST", path+"/keys", body)
	}
	do(404, "POST", "/project_1234567890123456/keys", `{"name":"x"}`)
	for body, overlap := range map[string]time.Duration{"": 24 * time.Hour, "{}": 24 * time.Hour, `{"overlap_hours":2}`: 2 * time.Hour} {
		old := do(201, "POST", path+"/keys", `{"name":"short","scopes":["usage"]}`)["id"].(string)
		do(201, "POST", path+"/keys/"+old+"/rotate", body)
		for _, shown := range do(200, "GET", path+"/keys", "")["data"].([]any) {
			shown := shown.(map[string]any)
			if ends, err := time.Parse(time.RFC3339, fmt.Sprint(shown["expires_at"])); shown["id"] == old && (err != nil || time.Until(ends) > overlap || time.Until(ends) < overlap-time.Minute) {
				t.Errorf("rotated with %q: %v", body, shown)
			}
		}
		do(200, "DELETE", path+"/keys/"+old, "")
	}
	before := len(do(200, "GET", path+"/keys", "")["data"].([]any))
	next := do(201, "POST", path+"/keys/"+k["id"].(string)+"/rotate", `{"overlap_hours":0}`)
	if _, err := a.Check(t.Context(), key); job.CodeOf(err) != job.Unauthorized {
		t.Errorf("a key that was rotated without an overlap: %v", err)
	}
	if _, err := a.Check(t.Context(), next["key"].(string)); err != nil {
		t.Errorf("the new key: %v", err)
	}
	list := do(200, "GET", path+"/keys", "")
	if text, _ := json.Marshal(list); len(list["data"].([]any)) != before+1 || strings.Contains(string(text), key[20:]) {
		t.Errorf("%s", text)
	}
	if got := do(200, "DELETE", path+"/keys/"+next["id"].(string), ""); got["revoked_at"] == nil {
		t.Errorf("%v", got)
	}
	a.Forget() // the database's clock counts whole milliseconds, and all this may take less
	if _, err := a.Check(t.Context(), next["key"].(string)); job.CodeOf(err) != job.Unauthorized {
		t.Errorf("a revoked key: %v", err)
	}
	do(404, "DELETE", path+"/keys/key_1234567890123456", "")
	do(404, "GET", path+"9/keys", "")
}

func TestNativeUsage(t *testing.T) {
	s := newStoreServer(t)
	p, err := s.db.CreateProject(t.Context(), store.Project{Name: "one", Plan: "unlimited", Postpaid: true, Weight: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.f.Keys["kn-usage"] = auth.Principal{Project: p, Key: store.Key{ID: 1, Project: p.ID, Scopes: []string{"usage"}}}
	for i, model := range []string{"sora-2", "=cmd()", "sora-2"} {
		j := job.Job{ID: job.MinID + job.ID(i), Project: p.ID, Price: 280_000, API: job.OpenAI, Spec: job.Spec{Kind: job.Video, Model: model, Seconds: 4}, State: job.Succeeded}
		err := s.db.Write(t.Context(), func(tx *store.Tx) error {
			if err := s.meter.Reserve(tx, &j); err != nil || i == 2 {
				return err
			}
			return s.meter.Settle(tx, &j)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	resp, _, raw := apitest.Ask(t, s.Server, "kn-usage", "GET", "/v1/usage?format=csv", "", "")
	rows, err := csv.NewReader(strings.NewReader(raw)).ReadAll()
	if err != nil || len(rows) != 4 || resp.Header.Get("Content-Type") != "text/csv; charset=utf-8" || strings.Contains(raw, ",=cmd") {
		t.Errorf("%v %s", err, raw)
	}
	var list []map[string]any
	resp, _, raw = apitest.Ask(t, s.Server, "kn-usage", "GET", "/v1/usage?model=sora-2", "", "")
	if err := json.Unmarshal([]byte(raw), &list); err != nil || len(list) != 2 || list[0]["charged_usd"] != "0.28" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", err, raw)
	}
	_, got, raw := apitest.Ask(t, s.Server, "kn-usage", "GET", "/v1/usage/totals?outcome=succeeded", "", "")
	if data := got["data"].([]any); len(data) != 2 || data[0].(map[string]any)["seconds"] != 4.0 {
		t.Errorf("%s", raw)
	}
	// What belongs to others is not there.
	if _, _, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", "/v1/usage", "", ""); strings.TrimSpace(raw) != "[]" {
		t.Errorf("%s", raw)
	}
	for _, q := range []string{"format=xml", "format=table", "from=x", "outcome=lost", "project=1"} {
		if resp, _, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", "/v1/usage?"+q, "", ""); resp.StatusCode != 400 {
			t.Errorf("%s: %d %s", q, resp.StatusCode, raw)
		}
	}
	_, got, raw = apitest.Ask(t, s.Server, apitest.KeyOne, "GET", "/v1/account", "", "")
	if got["plan"] != "free" || got["balance_usd"] != "5.00" || got["held_usd"] != "0.27" || got["credits_used_usd"] != "2.50" || got["period_ends"] == nil || len(got["scopes"].([]any)) != 4 {
		t.Errorf("%s", raw)
	}
}

// TestNativeUsageIsWhole: a report that cannot be finished is not taken for a
// whole one.
func TestNativeUsageIsWhole(t *testing.T) {
	s := newStoreServer(t)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	resp, got, raw := apitest.Ask(t, s.Server, apitest.KeyOne, "GET", "/v1/usage", "", "")
	if resp.StatusCode < 500 || got["code"] == nil {
		t.Errorf("without a database: %d %s", resp.StatusCode, raw)
	}
}

func TestNativeFiles(t *testing.T) {
	f := apitest.New(t)
	s := f.Serve(t, testNative(f))
	picture := string(apitest.PNG(8, 8))
	kind, body := apitest.Form(map[string]string{"@file": picture})
	resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/uploads", kind, body)
	if resp.StatusCode != 201 || got["purpose"] != "input" || got["bytes"] != float64(len(picture)) || got["content_type"] != "image/png" || got["name"] != "anonymous_file" || got["expires_at"] == nil {
		t.Fatalf("%d %s", resp.StatusCode, raw)
	}
	path := "/v1/uploads/" + got["id"].(string)
	if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", ""); !strings.HasPrefix(fmt.Sprint(got["url"]), s.URL+"/media/") {
		t.Errorf("%s", raw)
	}
	const edge = "--b\r\nContent-Disposition: form-data; name="
	purposed := edge + "\"purpose\"\r\n\r\nstory\r\n" + edge + "\"file\"; filename=\"a.png\"\r\n\r\n" + picture + "\r\n--b--\r\n"
	if _, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/uploads", "multipart/form-data; boundary=b", purposed); got["purpose"] != "story" || got["name"] != "a.png" {
		t.Errorf("%s", raw)
	}
	for name, tt := range map[string]struct {
		kind, body string
		status     int
	}{
		"JSON":         {apitest.JSON, "{}", 400},
		"no file":      {"multipart/form-data; boundary=b", edge + "\"purpose\"\r\n\r\nx\r\n--b--\r\n", 400},
		"empty file":   {"multipart/form-data; boundary=b", edge + "\"file\"; filename=\"a\"\r\n\r\n\r\n--b--\r\n", 400},
		"unknown part": {"multipart/form-data; boundary=b", edge + "\"path\"\r\n\r\nx\r\n--b--\r\n", 400},
		"long purpose": {"multipart/form-data; boundary=b", edge + "\"purpose\"\r\n\r\n" + strings.Repeat("x", 65) + "\r\n--b--\r\n", 400},
		"cut":          {"multipart/form-data; boundary=b", purposed[:len(purposed)-12], 400},
		"no form":      {"multipart/form-data; boundary=b", "x", 400},
		"too large":    {"multipart/form-data; boundary=b", edge + "\"file\"; filename=\"a\"\r\n\r\n" + strings.Repeat("x", 1<<20) + "\r\n--b--\r\n", 413},
	} {
		if resp, got, raw := apitest.Ask(t, s, apitest.KeyOne, "POST", "/v1/uploads", tt.kind, tt.body); resp.StatusCode != tt.status || got["detail"] == "" {
			t.Errorf("%s: %d %s", name, resp.StatusCode, raw)
		}
	}
	var ids []string
	for after := ""; ; {
		_, page, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/uploads?limit=1&after="+after, "", "")
		data, _ := page["data"].([]any)
		if len(data) != 1 {
			t.Fatalf("%s", raw)
		}
		ids = append(ids, data[0].(map[string]any)["id"].(string))
		if after, _ = page["next"].(string); after == "" {
			break
		}
	}
	if len(ids) != 2 || ids[1] != strings.TrimPrefix(path, "/v1/uploads/") {
		t.Errorf("got %v", ids)
	}
	if _, page, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", "/v1/uploads?purpose=story", "", ""); len(page["data"].([]any)) != 1 {
		t.Errorf("%s", raw)
	}
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "DELETE", path, "", ""); resp.StatusCode != 204 {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
	if resp, _, raw := apitest.Ask(t, s, apitest.KeyOne, "GET", path, "", ""); resp.StatusCode != 404 {
		t.Errorf("%d %s", resp.StatusCode, raw)
	}
}

// TestFormError: what is wrong with a form is its sender's, what is wrong with
// us is ours.
func TestFormError(t *testing.T) {
	for _, theirs := range []error{io.ErrUnexpectedEOF, textproto.ProtocolError("malformed MIME header line: x"), errors.New("quotedprintable: invalid unescaped byte"), os.ErrDeadlineExceeded} {
		if err := web.FormError(theirs); job.CodeOf(err) != job.Invalid || !errors.Is(err, theirs) {
			t.Errorf("%v", err)
		}
	}
	if err := web.FormError(fmt.Errorf("put aside: %w", &fs.PathError{Op: "write", Path: "/tmp/x", Err: errors.New("I/O error")})); job.CodeOf(err) != job.Unavailable {
		t.Errorf("%v", err)
	}
	if err := web.FormError(job.Errorf(job.Unavailable, "", "full")); job.CodeOf(err) != job.Unavailable {
		t.Errorf("%v", err)
	}
}
