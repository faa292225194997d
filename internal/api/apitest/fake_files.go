package apitest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kinora-video/kinora/internal/auth"
	"github.com/kinora-video/kinora/internal/job"
	"github.com/kinora-video/kinora/internal/service"
	"github.com/kinora-video/kinora/internal/store"
)

// The fake's files, models and the rest of the service.

// dataOf decodes a data: URI in base64.
func dataOf(uri string) ([]byte, error) {
	_, data, ok := strings.Cut(uri, ";base64,")
	if !ok {
		return nil, fmt.Errorf("it is no data: URI in base64")
	}
	return base64.StdEncoding.DecodeString(data)
}

func (f *Fake) AddFile(_ context.Context, who auth.Principal, n service.NewFile, r io.Reader) (store.File, error) {
	if err := f.asks("AddFile"); err != nil {
		return store.File{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return store.File{}, err
	}
	if len(data) == 0 {
		return store.File{}, job.Errorf(job.Invalid, "file", "the file is empty")
	}
	key := f.Put(data, ".png")
	sum := sha256.Sum256(data)
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.nextID++
	f.Clock = f.Clock.Add(time.Second)
	file := store.File{
		ID: f.nextID, Project: who.Project.ID, Purpose: n.Purpose, Name: n.Name, ContentType: http.DetectContentType(data), Key: key,
		SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(data)), CreatedAt: f.Clock, ExpiresAt: f.Clock.Add(cmp.Or(n.Keep, 24*time.Hour)),
	}
	f.files[file.ID] = file
	return file, nil
}

func (f *Fake) File(_ context.Context, who auth.Principal, id int64) (store.File, error) {
	if err := f.asks("File"); err != nil {
		return store.File{}, err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	file, ok := f.files[id]
	if !ok || file.Project != who.Project.ID {
		return store.File{}, job.Errorf(job.NotFound, "", "there is no file %d", id)
	}
	return file, nil
}

func (f *Fake) Files(_ context.Context, who auth.Principal, want store.FileFilter) ([]store.File, error) {
	if err := f.asks("Files"); err != nil {
		return nil, err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	var out []store.File
	after, begun := f.files[want.After]
	if want.After != 0 && !begun {
		return nil, job.Errorf(job.Invalid, "after", "after names file %d, which is not there", want.After)
	}
	further := func(a, b store.File) int { // IDs and times grow together here
		if want.Ascending {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Compare(b.ID, a.ID)
	}
	for _, file := range f.files {
		if file.Project == who.Project.ID && (want.Purpose == "" || want.Purpose == file.Purpose) && (!begun || further(after, file) < 0) {
			out = append(out, file)
		}
	}
	slices.SortFunc(out, further)
	return out[:min(want.Limit, len(out))], nil
}

func (f *Fake) DeleteFile(ctx context.Context, who auth.Principal, id int64) error {
	if _, err := f.File(ctx, who, id); err != nil {
		return err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	delete(f.files, id)
	return nil
}

type seekCloser struct{ *bytes.Reader }

func (seekCloser) Close() error { return nil }

func (f *Fake) OpenBlob(_ context.Context, key string) (io.ReadSeekCloser, int64, error) {
	if err := f.asks("OpenBlob"); err != nil {
		return nil, 0, err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	data, ok := f.Stored[key]
	if !ok {
		return nil, 0, job.Errorf(job.NotFound, "", "the file is gone: files are kept for a limited time")
	}
	return seekCloser{bytes.NewReader(data)}, int64(len(data)), nil
}

func (f *Fake) CopyPicture(ctx context.Context, key string) (string, error) {
	if err := f.asks("CopyPicture"); err != nil {
		return "", err
	}
	_, _, err := f.OpenBlob(ctx, key)
	if err != nil {
		return "", err
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.nextID++
	again := fmt.Sprintf("test/copy-%d%s", f.nextID, path.Ext(key))
	f.Stored[again] = f.Stored[key]
	return again, nil
}

func (f *Fake) FileURL(_ string, file store.File, _ time.Duration) string {
	return "https://kinora.test/media/" + file.Key + "?sig=s"
}

func (f *Fake) BlobURL(_ string, file job.File, _ time.Duration) string {
	return "https://kinora.test/media/" + file.Key + "?sig=s"
}

func (f *Fake) Offers() []service.Offer { return f.Models }

func (f *Fake) Offer(name string) (service.Offer, error) {
	for _, o := range f.Models {
		if o.Name == name {
			return o, nil
		}
	}
	return service.Offer{}, job.Errorf(job.NotFound, "model", "there is no model %.60q", name)
}

func (f *Fake) Chat(_ context.Context, _ auth.Principal, r service.ChatRequest) (*service.ChatAnswer, error) {
	if !f.HasChat() || f.OnChat == nil {
		return nil, job.Errorf(job.Unsupported, "", "this server has no chat model")
	}
	up, err := f.OnChat(r.Body)
	if err == nil && up.Status >= http.StatusBadRequest {
		return nil, service.ChatRefusal(up)
	}
	return up, err
}

func (f *Fake) HasChat() bool { return f.ChatThere }

func (f *Fake) Speak(ctx context.Context, who auth.Principal, r service.SpeechRequest) (service.SpeechResult, error) {
	if f.OnSpeak == nil {
		return service.SpeechResult{}, job.Errorf(job.Unsupported, "", "this server cannot speak")
	}
	out, err := f.OnSpeak(r)
	if err == nil && r.Keep {
		out.File, err = f.AddFile(ctx, who, service.NewFile{Purpose: service.PurposeSpeech, Name: "speech." + out.Format}, bytes.NewReader(out.Data))
	}
	return out, err
}

func (f *Fake) Voices(context.Context, string) (service.Voices, error) {
	return service.Voices{System: []service.SpeechVoice{{ID: "en-us", Name: "English (America)", About: []string{"espeak-ng, en-us"}}}, Cloned: []service.SpeechVoice{{ID: "mine"}}}, f.asks("Voices")
}

func (f *Fake) Usage(context.Context, auth.Principal) (service.Allowance, error) {
	return f.allowance, f.asks("Usage")
}
