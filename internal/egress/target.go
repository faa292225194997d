package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// MaxURL is the length in bytes of the longest accepted URL; for data: URLs
	// the limit of their contents applies instead.
	MaxURL = 8192
	// maxHost is the longest name that DNS allows.
	maxHost = 253
)

// parseTarget parses the URL of a request, or of a redirect from base, and
// refuses URLs that two parsers might read differently. It decides nothing about
// addresses: the guard does. Its errors never repeat the URL, which may contain a
// password.
func parseTarget(base *url.URL, raw string) (*url.URL, error) {
	if len(raw) > MaxURL {
		return nil, fmt.Errorf("the URL has %d bytes, more than %d: use a shorter one", len(raw), MaxURL)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return nil, errors.New("the URL has a space, a backslash or a control character in it: remove it or write it as %20, %5C and so on")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("the URL is malformed: write it as https://host/path")
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if err := checkTarget(u); err != nil {
		return nil, err
	}
	return u, nil
}

// checkTarget checks the parts of a URL before its path.
func checkTarget(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("only http:// and https:// URLs are accepted: write it in full, as https://host/path")
	case u.User != nil:
		return errors.New("the URL has a user name or password in it: remove it, for instance by using a signed URL")
	case u.Opaque != "" || u.Host == "":
		return errors.New("the URL has no host: write it as https://host/path")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return errors.New("the URL's port is not a number from 1 to 65535: correct it or leave it out")
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return errors.New("the URL has a colon but no port after its host: remove the colon")
	}
	return checkHost(u)
}

// checkHost checks that the host is a name by RFC 1123 (or with the underscore
// that some hosts have), or an address in its usual form.
func checkHost(u *url.URL) error {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		if a, err := netip.ParseAddr(host); err != nil || a.Zone() != "" || !a.Is6() {
			return errors.New("the URL's host is not an IPv6 address without a zone: write it as [2001:db8::1]")
		}
		return nil
	}
	if len(host) > maxHost {
		return fmt.Errorf("the URL's host has %d characters, more than DNS allows (%d): correct it", len(host), maxHost)
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" {
			return errors.New("the URL's host has an empty part or a dot at its end: write it as www.example.com")
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return errors.New("the URL's host has a character that no host name has: write international names in their xn-- form")
		}
	}
	if !numeric(labels[len(labels)-1]) {
		return nil
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.Is4() {
		return errors.New("the URL's host is a number: write the address as four decimal numbers, such as 192.0.2.1")
	}
	return nil
}

// numeric reports whether some parsers would read a host with this last label as
// an IPv4 address: decimal, octal or hexadecimal, whole or in parts. No top-level
// domain has this form.
func numeric(label string) bool {
	if h, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(h, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
