package blob

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// s3fake is the part of the S3 API that a store uses, on loopback: one bucket,
// path style, with objects and multipart uploads in memory.
type s3fake struct {
	mu      sync.Mutex
	objects map[string]s3object
	uploads map[string]map[int][]byte
	gets    []string // the Range header of each GET of an object
	full    bool     // refuse writes as a full MinIO does
	clock   func() time.Time
}

type s3object struct {
	body        []byte
	contentType string
	modTime     time.Time
}

const fakeBucket = "media"

// newS3 starts a fake and returns it with the URL of its bucket.
func newS3(t testing.TB) (*s3fake, string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	f := &s3fake{objects: map[string]s3object{}, uploads: map[string]map[int][]byte{}, clock: time.Now}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	q := url.Values{
		"endpoint": {srv.URL}, "region": {"eu-test-1"}, "use_path_style": {"true"}, "prefix": {"kinora/"},
	}
	return f, "s3://" + fakeBucket + "?" + q.Encode()
}

func (f *s3fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch {
	case bucket != fakeBucket:
		s3error(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.Method == http.MethodGet:
		f.list(w, q)
	case f.full && (r.Method == http.MethodPut || r.Method == http.MethodPost):
		s3error(w, http.StatusInsufficientStorage, "XMinioStorageFull")
	case q.Has("uploads") || q.Has("uploadId"):
		f.multipart(w, r, key, q)
	case r.Method == http.MethodPut:
		body, ok := received(w, r)
		if !ok {
			return
		}
		f.objects[key] = s3object{body, r.Header.Get("Content-Type"), f.clock().Truncate(time.Second)}
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		o, ok := f.objects[key]
		if !ok {
			s3error(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		if r.Method == http.MethodGet {
			f.gets = append(f.gets, r.Header.Get("Range"))
		}
		w.Header().Set("Content-Type", o.contentType)
		w.Header().Set("ETag", etag(o.body))
		http.ServeContent(w, r, "", o.modTime, bytes.NewReader(o.body))
	}
}

func (f *s3fake) multipart(w http.ResponseWriter, r *http.Request, key string, q url.Values) {
	id := q.Get("uploadId")
	switch {
	case q.Has("uploads"):
		id = fmt.Sprintf("u%d|%s", len(f.uploads), r.Header.Get("Content-Type"))
		f.uploads[id] = map[int][]byte{}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", fakeBucket, key, id)
	case f.uploads[id] == nil:
		s3error(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut:
		n, _ := strconv.Atoi(q.Get("partNumber"))
		body, ok := received(w, r)
		if !ok {
			return
		}
		f.uploads[id][n] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodDelete:
		delete(f.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		var all []byte
		for _, n := range slices.Sorted(maps.Keys(f.uploads[id])) {
			all = append(all, f.uploads[id][n]...)
		}
		delete(f.uploads, id)
		_, contentType, _ := strings.Cut(id, "|")
		f.objects[key] = s3object{all, contentType, f.clock().Truncate(time.Second)}
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><ETag>%s</ETag></CompleteMultipartUploadResult>", fakeBucket, key, etag(all))
	}
}

func (f *s3fake) list(w http.ResponseWriter, q url.Values) {
	type content struct {
		Key, LastModified, ETag string
		Size                    int
	}
	out := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}{}
	limit, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil || limit > 3 {
		limit = 3 // so that tests see pages
	}
	for _, key := range slices.Sorted(maps.Keys(f.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("continuation-token") {
			continue
		}
		if len(out.Contents) == limit {
			out.IsTruncated = true
			out.NextContinuationToken = out.Contents[limit-1].Key
			break
		}
		o := f.objects[key]
		out.Contents = append(out.Contents, content{key, o.modTime.UTC().Format(time.RFC3339), etag(o.body), len(o.body)})
	}
	w.Header().Set("Content-Type", "application/xml")
	xml.NewEncoder(w).Encode(out)
}

// received returns the body of a request, and whether it is whole and matches its
// checksum. Without TLS the body comes in signed chunks: their length in hex and
// their signature on a line, then the bytes and a line end.
func received(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false // the client went away: nothing is stored
	}
	if r.Header.Get("X-Amz-Content-Sha256") == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" {
		var whole []byte
		for rest := body; len(rest) > 0; {
			head, after, _ := bytes.Cut(rest, []byte("\r\n"))
			size, _, _ := bytes.Cut(head, []byte(";"))
			n, err := strconv.ParseInt(string(size), 16, 32)
			if err != nil || int(n)+2 > len(after) {
				s3error(w, http.StatusBadRequest, "IncompleteBody")
				return nil, false
			}
			whole, rest = append(whole, after[:n]...), after[n+2:]
		}
		body = whole
	}
	sum := md5.Sum(body)
	if r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
		s3error(w, http.StatusBadRequest, "BadDigest")
		return nil, false
	}
	return body, true
}

func s3error(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said by the fake</Message></Error>", code)
}

func etag(body []byte) string { return fmt.Sprintf("\"%x\"", md5.Sum(body)) }
