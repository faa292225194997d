package minimax

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/api/apitest"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/web"
)

// contractPage is MiniMax's half of docs/api-compatibility.md: the rows of its
// tables, by heading.
func contractPage(t *testing.T) map[string][][]string {
	t.Helper()
	data, err := os.ReadFile("../../../docs/api-compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(data), "\n## MiniMax\n")
	if !ok {
		t.Fatal("docs/api-compatibility.md has no part on MiniMax")
	}
	text, _, _ = strings.Cut(text, "\n## ")
	page := map[string][][]string{}
	heading := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			heading = strings.Trim(line, "# `")
			page[heading] = nil
		}
		if cells := strings.Split(line, "|"); len(cells) > 3 && !strings.HasPrefix(line, "|---") {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			page[heading] = append(page[heading], cells[1:len(cells)-1])
		}
	}
	return page
}

// fieldNames are a form's fields with what the page must say of each.
func fieldNames(prefix string, fields []fieldRule, refused bool, out map[string]string) {
	for _, f := range fields {
		no := refused || f.refuse != ""
		out[prefix+f.name] = map[bool]string{false: "yes", true: "refused"}[no]
		inner := prefix + f.name + "."
		if f.kind == aList {
			inner = prefix + f.name + "[]."
		}
		fieldNames(inner, f.fields, no, out)
	}
}

// answerNames are the names of a struct's JSON.
func answerNames(prefix string, t reflect.Type, out map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer:
		answerNames(prefix, t.Elem(), out)
		return
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			answerNames(prefix+"[]", t.Elem(), out)
			return
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous:
				answerNames(prefix, f.Type, out)
			case prefix == "":
				answerNames(name, f.Type, out)
			default:
				answerNames(prefix+"."+name, f.Type, out)
			}
		}
		return
	}
	out[prefix] = true
}

// answerForms are the answers of all endpoints that have a form of their own.
var answerForms = map[string]any{
	"POST /v1/video_generation":                generateAnswer{},
	"GET /v1/query/video_generation":           queryAnswer{},
	"POST /v1/files/upload":                    oneFileAnswer{},
	"GET /v1/files/list":                       filesAnswer{},
	"GET /v1/files/retrieve":                   oneFileAnswer{},
	"POST /v1/files/delete":                    fileGoneAnswer{},
	"POST /v2/video_generation":                taskMade{},
	"GET /v2/query/video_generation/{task_id}": taskAnswer{},
	"GET /v2/query/video_generation":           tasksAnswer{},
	"DELETE /v2/video_generation/{task_id}":    taskGone{},
	"POST /v2/h3_context_ir":                   taskMade{},
	"POST /v2/video_regeneration":              taskMade{},
	"POST /v1/get_voice":                       voicesAnswer{},
	"POST /v1/image_generation":                imageAnswer{},
	"POST /v1/t2a_v2":                          speechAnswer{},
	"GET /v1/token_plan/remains":               remainsAnswer{},
	"POST /v1/text/chatcompletion_v2":          completion{},
	"POST /v1/chat/completions":                completion{},
}

// refusedHere are fields that the tables take and an endpoint refuses.
var refusedHere = map[string][]string{
	"POST /v2/h3_context_ir": {"content[].image_url", "content[].image_url.url", "content[].role"},
}

// TestPageNamesEachField: the page and the decoder know the same fields, and the
// page and the answers.
func TestPageNamesEachField(t *testing.T) {
	page := contractPage(t)
	for endpoint, form := range requests {
		rows, ok := page[endpoint]
		if !ok {
			t.Errorf("the page lacks %s", endpoint)
			continue
		}
		want, got := map[string]string{}, map[string]string{}
		fieldNames("", form, false, want)
		for _, name := range refusedHere[endpoint] {
			want[name] = "refused"
		}
		answers, shown := map[string]bool{}, map[string]bool{}
		if a, ok := answerForms[endpoint]; ok {
			answerNames("", reflect.TypeOf(a), answers)
		}
		for _, r := range rows {
			name, ok := strings.CutPrefix(r[0], "→ ")
			name = strings.Trim(name, "`")
			switch {
			case name == "field":
			case ok:
				shown[name] = true
				if !slices.Contains([]string{"yes", "not applicable"}, r[1]) {
					t.Errorf("%s → %s: %q", endpoint, name, r[1])
				}
			default:
				got[name] = r[1]
			}
		}
		if endpoint == "GET /v2/query/video_generation" { // its items are said to be tasks
			for name := range answers {
				if strings.HasPrefix(name, "items[].") && name != "items[].id" {
					delete(answers, name)
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: fields of the decoder (-) and the page (+)\n%s", endpoint, d)
		}
		if d := cmp.Diff(answers, shown); d != "" {
			t.Errorf("%s: fields of the answer (-) and the page (+)\n%s", endpoint, d)
		}
	}
}

// TestPageNamesEachEndpoint: the page, the forms and the routes are the same,
// but for the paths that OpenAI's half of the page has.
func TestPageNamesEachEndpoint(t *testing.T) {
	page := contractPage(t)
	routes := map[string]bool{}
	for _, a := range New(apitest.New(t)) {
		for _, rt := range a.Routes() {
			routes[rt.Pattern] = true
			if _, path, _ := strings.Cut(rt.Pattern, " "); path != "/v1/files" && !strings.HasPrefix(path, "/v1/files/{file_id}") && requests[rt.Pattern] == nil {
				t.Errorf("%s has no form", rt.Pattern)
			}
			if rt.Scope == web.ScopeAny || rt.Handle == nil {
				t.Errorf("%s has no scope or handler", rt.Pattern)
			}
		}
	}
	for endpoint := range requests {
		if !routes[endpoint] {
			t.Errorf("%s has no route", endpoint)
		}
	}
	for heading := range page {
		if strings.Contains(heading, " /v") && requests[heading] == nil {
			t.Errorf("the page has %s, which does not exist", heading)
		}
	}
}

// TestPageNamesEachCode: each number with its V2 status, and what is not
// applicable is what nothing has.
func TestPageNamesEachCode(t *testing.T) {
	v2 := map[string]string{"0": "200", "1004": fmt.Sprintf("%d %s", 401, typeUnauthorized)}
	for code, c := range errorCodes {
		if code == job.NoEndpoint || code == job.NoMethod { // 2013 with statuses of their own, which the page says above its table
			continue
		}
		text := strconv.Itoa(c.number)
		said := fmt.Sprintf("%d %s", c.status, c.kind)
		if was, ok := v2[text]; ok && was != said {
			t.Errorf("%s is both %s and %s", text, was, said)
		}
		v2[text] = said
	}
	// Those of MiniMax's page that do not happen.
	v2["1039"], v2["2045"] = "", ""
	got := map[string]string{}
	for _, r := range contractPage(t)["Codes"] {
		if r[0] == "code" {
			continue
		}
		got[r[0]] = r[2]
		if (r[1] == "yes") != (r[2] != "") || r[1] != "yes" && r[1] != "not applicable" || r[3] == "" {
			t.Errorf("%v", r)
		}
	}
	if d := cmp.Diff(v2, got); d != "" {
		t.Errorf("codes (-) and the page (+)\n%s", d)
	}
	// Every number of MiniMax's page is there, whichever way; 1013, 1024 and 1033
	// are three for the same.
	for _, n := range []string{"0", "1000", "1001", "1002", "1004", "1008", "1013", "1024", "1033", "1026", "1027", "1039", "1041", "1042", "2013", "2045", "2049", "2056"} {
		if _, ok := got[n]; !ok {
			t.Errorf("the page lacks %s", n)
		}
	}
}

func TestPageNamesEachModelAndCommand(t *testing.T) {
	page := contractPage(t)
	models := map[string]string{}
	for _, r := range page["Models of V1"] {
		if r[0] != "model" {
			models[strings.Trim(r[0], "`")] = r[1] + " " + r[2] + " " + r[3]
		}
	}
	yes := map[bool]string{true: "yes", false: "refused"}
	for name, m := range service.RulesV1 {
		var sizes []string
		for _, s := range m.Sizes {
			seconds := strings.Join(strings.Fields(strings.Trim(fmt.Sprint(s.Seconds), "[]")), ", ")
			if s.FirstOnly {
				seconds += "; first frame only"
			}
			sizes = append(sizes, fmt.Sprintf("%s (%s)", s.Name, seconds))
		}
		want := strings.Join(sizes, ", ")
		if m.Why != "" {
			want = "none: "
		}
		if want = yes[m.Text] + " " + yes[m.First] + " " + want; !strings.HasPrefix(models[name], want) {
			t.Errorf("%s: the page says %q, want %q", name, models[name], want)
		}
	}
	if len(models) != len(service.RulesV1) {
		t.Errorf("the page has %d models, want %d", len(models), len(service.RulesV1))
	}
	reel, err := kinora.CapabilitiesOf("reel")
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string]string{}
	for _, r := range page["Camera commands"] {
		if r[0] != "command" {
			name := strings.Trim(r[0], "`")
			commands[strings.ToLower(name)] = r[1]
			if c := service.ParseCamera("["+name+"]", reel); (c.Prompt == "") != (r[1] == "not applicable") || r[1] == "yes" && r[2] != "" && !strings.HasPrefix(r[2], "`"+c.Moves[0][0]+"`") {
				t.Errorf("%s: the page says %v, it becomes %q", name, r, c.Prompt)
			}
		}
	}
	if len(commands) != len(service.CameraMoves) {
		t.Errorf("the page has %d commands, want %d", len(commands), len(service.CameraMoves))
	}
	// MiniMax's own fifteen, and the one that clients write.
	for _, name := range []string{"Truck left", "Truck right", "Pan left", "Pan right", "Push in", "Pull out", "Push out", "Pedestal up", "Pedestal down", "Tilt up", "Tilt down", "Zoom in", "Zoom out", "Shake", "Tracking shot", "Static shot"} {
		if _, ok := service.CameraMoves[strings.ToLower(name)]; !ok {
			t.Errorf("%s is not known", name)
		}
	}
}

// TestStatusesAreMiniMaxs: no job shows a status that MiniMax's pages lack.
func TestStatusesAreMiniMaxs(t *testing.T) {
	for _, s := range job.States() {
		j := job.Job{State: s}
		if q := queryOf(&j); !slices.Contains([]string{"Preparing", "Queueing", "Processing", "Success", "Fail"}, q.Status) {
			t.Errorf("%s: %q", s, q.Status)
		}
		if !slices.Contains(tasksQuery[2].oneOf, string(s)) {
			t.Errorf("%s is no status of V2", s)
		}
	}
}

// filesRow finds rows "| `POST /v1/files` | `purpose` | yes | … |".
var filesRow = regexp.MustCompile("(?m)^\\| `([A-Z]+ /v1/files[^`]*)` \\| (?:`([^`]+)`|–) \\| (yes|refused|not applicable|extra) \\| ")

// TestPageNamesSharedFiles: OpenAI's half of the page has the paths of /v1/files,
// with the fields that the code takes and gives.
func TestPageNamesSharedFiles(t *testing.T) {
	text, err := os.ReadFile("../../../docs/api-compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## OpenAI Videos API\n")
	section, _, _ = strings.Cut(section, "\n## ")
	want := map[string]string{}
	for where, fields := range map[string]fieldRules{
		"POST /v1/files": sharedUploadForm, "GET /v1/files": sharedListForm, "GET /v1/files/{file_id}": nil,
		"GET /v1/files/{file_id}/content": nil, "DELETE /v1/files/{file_id}": nil, "DELETE /v1/files": {{name: "file_id"}},
	} {
		want[where] = "yes"
		for _, f := range fields {
			want[where+" "+f.name] = "yes"
		}
	}
	for _, f := range apitest.JSONFields(fileObject{}) {
		want["GET /v1/files/{file_id} "+f] = "yes"
	}
	want["GET /v1/files/{file_id} file"], want["GET /v1/files/{file_id} base_resp"] = "extra", "extra"
	got := map[string]string{}
	for _, m := range filesRow.FindAllStringSubmatch(section, -1) {
		got[strings.TrimSpace(m[1]+" "+m[2])] = m[3]
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the code and the page differ (-code +page):\n%s", d)
	}
}
