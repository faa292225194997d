package blob

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// attempts is how often a request is sent that fails for a temporary reason.
const attempts = 3

// location is the parsed URL of a bucket.
type location struct {
	bucket, prefix, region, profile string
	endpoint                        string // a URL, "" for AWS
	pathStyle, anonymous, plain     bool
	accelerate, dualstack           bool
	encryption, kmsKey              string
}

// ignored are parameters for other clients; this client does by itself what they
// ask for.
var ignored = []string{"hostname_immutable", "request_checksum_calculation", "response_checksum_validation", "awssdk"}

// parseLocation parses s3://bucket?region=…. An unknown parameter is an error, as
// the safety of the media may depend on it.
func parseLocation(where string) (location, error) {
	u, err := url.Parse(where)
	if err != nil {
		return location{}, err
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return location{}, fmt.Errorf("its parameters: %w", err)
	}
	p := location{bucket: u.Host}
	if p.bucket == "" || u.Path != "" && u.Path != "/" {
		return location{}, errors.New("write s3://bucket, and a prefix of all keys as ?prefix=media/")
	}
	texts := map[string]*string{
		"region": &p.region, "endpoint": &p.endpoint, "prefix": &p.prefix, "profile": &p.profile,
		"ssetype": &p.encryption, "kmskeyid": &p.kmsKey,
	}
	flags := map[string]*bool{
		"use_path_style": &p.pathStyle, "s3ForcePathStyle": &p.pathStyle, "anonymous": &p.anonymous,
		"disable_https": &p.plain, "accelerate": &p.accelerate, "dualstack": &p.dualstack,
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		value := q.Get(name)
		switch {
		case texts[name] != nil:
			*texts[name] = value
		case flags[name] != nil:
			if *flags[name], err = strconv.ParseBool(value); err != nil {
				return location{}, fmt.Errorf("its parameter %s=%q: write true or false", name, value)
			}
		case !slices.Contains(ignored, name):
			return location{}, fmt.Errorf("its parameter %q is not known: known are %s", name,
				slices.Sorted(maps.Keys(union(texts, flags))))
		}
	}
	if p.region == "" {
		p.region = os.Getenv("AWS_REGION")
	}
	if p.region == "" {
		p.region = os.Getenv("AWS_DEFAULT_REGION")
	}
	return p, nil
}

// union is the set of the names of both.
func union(texts map[string]*string, flags map[string]*bool) map[string]bool {
	out := map[string]bool{}
	for name := range texts {
		out[name] = true
	}
	for name := range flags {
		out[name] = true
	}
	return out
}

// openBucket opens the bucket of a URL without sending a request.
func openBucket(where string) (*bucket, error) {
	p, err := parseLocation(where)
	if err != nil {
		return nil, err
	}
	host, secure, err := p.host()
	if err != nil {
		return nil, err
	}
	o := &minio.Options{Creds: p.credentials(), Secure: secure, Region: p.region, MaxRetries: attempts}
	if p.pathStyle {
		o.BucketLookup = minio.BucketLookupPath
	}
	c, err := minio.New(host, o)
	if err != nil {
		return nil, err
	}
	c.SetS3EnableDualstack(p.dualstack)
	if p.accelerate {
		c.SetS3TransferAccelerate("s3-accelerate.amazonaws.com")
	}
	b := &bucket{c: c, name: p.bucket, prefix: p.prefix}
	switch p.encryption {
	case "":
	case "AES256":
		b.sse = encrypt.NewSSE()
	case "aws:kms":
		if b.sse, err = encrypt.NewSSEKMS(p.kmsKey, nil); err != nil {
			return nil, fmt.Errorf("its parameter kmskeyid: %w", err)
		}
	default:
		return nil, fmt.Errorf("its parameter ssetype=%q: write AES256 or aws:kms", p.encryption)
	}
	return b, nil
}

// host is the host of the endpoint, and whether it uses TLS.
func (p location) host() (host string, secure bool, err error) {
	if p.endpoint == "" {
		return "s3.amazonaws.com", !p.plain, nil
	}
	u, err := url.Parse(p.endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return "", false, fmt.Errorf("its parameter endpoint=%q: write https://host or https://host:port", p.endpoint)
	}
	return u.Host, u.Scheme == "https" && !p.plain, nil
}

// credentials come from where AWS's own programs look: the environment, the files
// of ~/.aws, the role of the machine or the container.
func (p location) credentials() *credentials.Credentials {
	switch {
	case p.anonymous:
		return credentials.NewStatic("", "", "", credentials.SignatureAnonymous)
	case p.profile != "":
		return credentials.NewFileAWSCredentials("", p.profile)
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if off, err := strconv.ParseBool(os.Getenv("AWS_EC2_METADATA_DISABLED")); err != nil || !off {
		chain = append(chain, &credentials.IAM{Region: p.region})
	}
	return credentials.NewChainCredentials(chain)
}
