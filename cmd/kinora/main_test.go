package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kinora-video/kinora"
	"github.com/kinora-video/kinora/internal/hub/hubtest"
	"github.com/kinora-video/kinora/internal/media"
	"github.com/kinora-video/kinora/internal/model/lm/lmtest"
	"github.com/kinora-video/kinora/internal/model/reel"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"kinora": main}) }

// TestScripts runs the program itself: each file of testdata/script is a
// session at a shell.
func TestScripts(t *testing.T) {
	// Tests may be run under nohup. What ignores SIGHUP hands that down to what it
	// starts; what waits for it does not.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangup) })
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("HOME", e.WorkDir)
			weights, err := filepath.Abs(filepath.Join("..", "..", "internal", "model", "reel", "weights", "reel.safetensors"))
			e.Setenv("WEIGHTS", weights)
			return err
		},
		Condition: func(cond string) (bool, error) {
			if cond == "ffmpeg" {
				return kinora.CanWrite(kinora.MP4) == nil, nil
			}
			if cond == "espeak" {
				_, err := media.Espeak()
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"png":     writePNG,
			"wav":     writeWAV,
			"waitfor": waitFor,
			"empty":   empty,
			"begins":  begins,
			"keyid":   keyID,
			"webhook": webhook,
			"hub":     startHub,
		},
	})
}

// writePNG FILE makes an image.
func writePNG(ts *testscript.TestScript, _ bool, args []string) {
	var b bytes.Buffer
	ts.Check(png.Encode(&b, image.NewGray(image.Rect(0, 0, 40, 30))))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// writeWAV FILE makes a sound of a second: 16 bits, one channel, 8000 a second.
func writeWAV(ts *testscript.TestScript, _ bool, args []string) {
	const rate = 8000
	le := binary.LittleEndian
	b := append([]byte("RIFF"), le.AppendUint32(nil, 36+2*rate)...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	b = le.AppendUint32(le.AppendUint32(b, rate), 2*rate)
	b = append(b, "\x02\x00\x10\x00data"...)
	b = le.AppendUint32(b, 2*rate)
	for i := range rate {
		b = le.AppendUint16(b, uint16(int16(9000*math.Sin(float64(i)/4))))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// waitFor PATTERN waits until a file has such a name.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for range 400 {
		if m, _ := filepath.Glob(ts.MkAbs(args[0])); len(m) > 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("there is no %s after 20 s", args[0])
}

// empty DIR... checks that folders are empty or not there; with no folder,
// that this one holds nothing but what the script brought.
func empty(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		entries, err := os.ReadDir(ts.MkAbs(dir))
		if err != nil && !os.IsNotExist(err) {
			ts.Fatalf("%v", err)
		}
		for _, e := range entries {
			ts.Fatalf("%s holds %s", dir, e.Name())
		}
	}
}

// begins FILE TEXT checks the first bytes of a file, from the fifth on where it
// is an MP4.
func begins(ts *testscript.TestScript, _ bool, args []string) {
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !bytes.HasPrefix(data, []byte(args[1])) && !(len(data) > 4 && bytes.HasPrefix(data[4:], []byte(args[1]))) {
		ts.Fatalf("%s begins with %q, not %s", args[0], data[:min(len(data), 16)], args[1])
	}
}

// startHub starts a hub for the rest of the script, with the model cinema, a reel, in
// the repository test/cinema, and names it in HF_ENDPOINT. What the hub knows of it
// is private if an argument, a token, is given.
func startHub(ts *testscript.TestScript, _ bool, args []string) {
	srv := hubtest.New()
	ts.Defer(srv.Close)
	r := hubtest.Repo{Files: map[string][]byte{
		"reel.safetensors": reel.Embedded(),
		"notes.json":       []byte("{}"),
		"model_index.json": []byte(`{"_class_name": "ReelPipeline", "weights": ["kinora", "Reel"]}`),
		// The same bytes under another name.
		"weights/copy.safetensors": reel.Embedded(),
	}, Licence: "mit"}
	if len(args) > 0 {
		r.Token = args[0]
	}
	srv.Put("test/cinema", r)
	talker, err := lmtest.Files()
	ts.Check(err)
	srv.Put("test/talker", hubtest.Repo{Files: talker, Licence: "apache-2.0"})
	ts.Setenv("HF_ENDPOINT", srv.Hub.URL)
}

// keyID NAME keeps in a variable the first ID that the last command printed.
func keyID(ts *testscript.TestScript, _ bool, args []string) {
	id := regexp.MustCompile(`(?m)^\d{16}`).FindString(ts.ReadFile("stdout"))
	if id == "" {
		ts.Fatalf("the last command printed no ID")
	}
	ts.Setenv(args[0], id)
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, tt := range []struct {
		args string
		want int
	}{
		{"--help", exitOK},
		{"version", exitOK},
		{"", exitOK},
		{"generate", exitUsage},
		{"generate x --no-such-flag", exitUsage},
		{"generate x --model testcard --size 7", exitUsage},
		{"generate x --model testcard --seconds -4", exitUsage},
		{"generate x --model none", exitFailure},
		{"decode none.latents --model testcard", exitFailure},
	} {
		var out, errs bytes.Buffer
		if got := run(strings.Fields(tt.args), streams{&out, &errs}); got != tt.want {
			t.Errorf("kinora %s: %d, want %d\n%s", tt.args, got, tt.want, errs.String())
		}
		if tt.want != exitOK && errs.Len() == 0 {
			t.Errorf("kinora %s fails in silence", tt.args)
		}
	}
}

func TestLines(t *testing.T) {
	var b bytes.Buffer
	l := &lines{w: &b}
	l.update(kinora.Progress{Phase: kinora.Sampling, Done: 1, Total: 4, Overall: 0.1, Left: 95 * time.Second})
	l.update(kinora.Progress{Phase: kinora.Sampling, Done: 2, Total: 4, Overall: 0.4})
	l.update(kinora.Progress{Phase: kinora.Drawing, Done: 0, Total: 9, Overall: 0.5})
	l.update(kinora.Progress{Phase: kinora.Drawing, Done: 1, Total: 9, Overall: 0.6, Left: 2 * time.Second})
	const want = "sampling 1/4, 10 %, 1 min 35 s left\ndrawing 1/9, 60 %, 2.0 s left\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 940 * time.Millisecond: "0.9 s", 9960 * time.Millisecond: "10 s", 59400 * time.Millisecond: "59 s",
		59600 * time.Millisecond: "1 min 00 s", 125 * time.Second: "2 min 05 s", 3 * time.Hour: "3 h 00 min",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
