package blob

import (
	"strings"
	"testing"
)

func TestParsePlace(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	for where, want := range map[string]location{
		"s3://media": {bucket: "media"},
		"s3://media?region=eu-central-1&prefix=a/b/": {bucket: "media", region: "eu-central-1", prefix: "a/b/"},
		"s3://media/?endpoint=http://127.0.0.1:9000&use_path_style=true&hostname_immutable=true&awssdk=v2": {
			bucket: "media", endpoint: "http://127.0.0.1:9000", pathStyle: true,
		},
		"s3://media?s3ForcePathStyle=1&profile=work&ssetype=aws:kms&kmskeyid=k1&accelerate=true&dualstack=true": {
			bucket: "media", pathStyle: true, profile: "work", encryption: "aws:kms", kmsKey: "k1", accelerate: true, dualstack: true,
		},
	} {
		if got, err := parseLocation(where); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", where, got, err, want)
		}
	}
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-3")
	if got, _ := parseLocation("s3://media"); got.region != "eu-west-3" {
		t.Errorf("the region of the environment: %+v", got)
	}
	t.Setenv("AWS_REGION", "eu-west-2")
	if got, _ := parseLocation("s3://media"); got.region != "eu-west-2" {
		t.Errorf("the region of the environment: %+v", got)
	}
}

func TestBucketRefusesPlaces(t *testing.T) {
	for where, want := range map[string]string{
		"s3://":                             "s3://bucket",
		"s3://media/videos":                 "?prefix=",
		"s3://media?regoin=eu":              `"regoin" is not known`,
		"s3://media?fips=true":              `"fips" is not known`,
		"s3://media?use_path_style=maybe":   "true or false",
		"s3://media?endpoint=minio:9000":    "https://host:port",
		"s3://media?endpoint=http://m/path": "https://host:port",
		"s3://media?ssetype=rot13":          "AES256",
		"s3://media?a=%zz":                  "parameters",
	} {
		if _, err := Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", where, err, want)
		}
	}
}
