package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"

	"github.com/kinora-video/kinora/internal/job"
)

// The form of a key: "kn-", 32 random bytes in base 62, and a checksum of both,
// also in base 62. The checksum distinguishes a mistyped key from one that does
// not exist, without asking the database.
const (
	keyPrefix   = "kn-"
	keyBytes    = 32
	secretChars = 43 // 62^43 > 2^256
	sumChars    = 6  // 62^6 > 2^32
	keyChars    = len(keyPrefix) + secretChars + sumChars
	// shownChars is how much of a key is stored to recognise it: 8 of its 43
	// random characters.
	shownChars = len(keyPrefix) + 8
)

// Scopes of keys.
const (
	ScopeJobsWrite = "jobs:write" // submit, cancel and delete jobs
	ScopeJobsRead  = "jobs:read"  // see jobs and fetch their videos
	ScopeFiles     = "files"      // upload, list, fetch and delete files
	ScopeUsage     = "usage"      // see usage and allowance
	ScopeAdmin     = "admin"      // the operator's endpoints
)

// Scopes lists all scopes.
func Scopes() []string {
	return []string{ScopeJobsWrite, ScopeJobsRead, ScopeFiles, ScopeUsage, ScopeAdmin}
}

// CustomerScopes are the scopes of a key for which none are named: all but the
// operator's.
func CustomerScopes() []string {
	return []string{ScopeJobsWrite, ScopeJobsRead, ScopeFiles, ScopeUsage}
}

// checkScopes refuses unknown scopes and removes repeats.
func checkScopes(scopes []string) ([]string, error) {
	var out []string
	for _, s := range scopes {
		switch {
		case !slices.Contains(Scopes(), s):
			return nil, job.Errorf(job.Invalid, "scopes", "there is no scope %.40q: the scopes are %s", s, strings.Join(Scopes(), ", "))
		case !slices.Contains(out, s):
			out = append(out, s)
		}
	}
	return out, nil
}

// newKey makes a key.
func newKey() string {
	var secret [keyBytes]byte
	_, _ = rand.Read(secret[:]) // it never fails
	body := keyPrefix + base62(new(big.Int).SetBytes(secret[:]), secretChars)
	return body + checksum(body)
}

func base62(n *big.Int, width int) string {
	s := n.Text(62)
	return strings.Repeat("0", width-len(s)) + s
}

func checksum(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), sumChars)
}

// hashOf is the stored form of a key.
func hashOf(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

// checkForm refuses a string that cannot be a key, without a look-up.
func checkForm(presented string) error {
	switch {
	case presented == "":
		return job.Errorf(job.Unauthorized, "", "the request has no API key: send it as Authorization: Bearer KEY, or as X-Api-Key")
	case len(presented) != keyChars || !strings.HasPrefix(presented, keyPrefix):
		return job.Errorf(job.Unauthorized, "", "the API key is not valid: a key begins with %s and has %d characters", keyPrefix, keyChars)
	case checksum(presented[:keyChars-sumChars]) != presented[keyChars-sumChars:]:
		return job.Errorf(job.Unauthorized, "", "the API key is not valid: it was mistyped or cut, as its last %d characters do not match the others", sumChars)
	}
	return nil
}

// shown is the part of a key that is stored to recognise it.
func shown(key string) string { return fmt.Sprintf("%s…", key[:shownChars]) }
