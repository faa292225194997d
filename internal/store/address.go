package store

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Address is where a database is.
type Address struct {
	Dialect string // SQLite or Postgres
	File    string // of SQLite
	url     string // of Postgres
}

var (
	scheme      = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]{0,20})://`)
	prefix      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`) // two letters at least: C: is a drive
	keyword     = regexp.MustCompile(`(?i)(^|[\s;&?])(host|hostaddr|port|user|username|user id|uid|password|pwd|dbname|database|server|data source|sslmode|service)\s*=`)
	account     = regexp.MustCompile(`:[^/\\]*@`)        // user:password@host without a scheme
	windowsPath = regexp.MustCompile(`^/[A-Za-z]:[/\\]`) // what is left of sqlite:///C:/kinora.db
)

// ParseAddress reads the address of a database: "postgres://user@host/name", or
// for SQLite a path or "sqlite:///path/kinora.db". Text that looks like any other
// kind of address is an error, not a file name. An address may hold a password,
// so errors repeat nothing of it but the scheme.
func ParseAddress(address string) (Address, error) {
	if address == "" {
		return Address{}, errors.New("the database has no address: give a path, sqlite:///path or postgres://…")
	}
	if m := scheme.FindStringSubmatch(address); m != nil {
		rest := address[len(m[0]):]
		switch kind := strings.ToLower(m[1]); kind {
		case "postgres", "postgresql":
			return parsePostgres("postgres://" + rest)
		case "sqlite":
			return parseFile(rest)
		default:
			return Address{}, fmt.Errorf("there is no kind of database %q: give a path, sqlite:///path or postgres://…", m[1])
		}
	}
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		return Address{Dialect: SQLite, File: address}, nil
	}
	var what string
	switch {
	case address == ":memory:":
		return Address{}, errors.New("the database cannot be in memory, where jobs would be lost: name a file")
	case keyword.MatchString(address):
		what = "a list of keywords (host=… user=…)"
	case prefix.MatchString(address), strings.Contains(address, "://"):
		what = "an address of another kind"
	case account.MatchString(address):
		what = "an account at a server"
	default:
		return Address{Dialect: SQLite, File: address}, nil
	}
	return Address{}, fmt.Errorf("the database's address looks like %s: write postgres://user:password@host/name for Postgres, or ./ before the name of a file", what)
}

func parseFile(rest string) (Address, error) {
	switch {
	case rest == "":
		return Address{}, errors.New("sqlite:// names no file: write sqlite:///path/kinora.db")
	case strings.ContainsAny(rest, "?#"):
		return Address{}, errors.New("the database's address sqlite://… takes no parameters: leave out what follows the path")
	case windowsPath.MatchString(rest):
		rest = rest[1:]
	}
	return Address{Dialect: SQLite, File: rest}, nil
}

// parsePostgres checks an address. A password may hold characters that have a
// meaning in a URL. Parts of it are then parsed as the host, the port or the
// name, so an error that repeats those would print them.
func parsePostgres(address string) (Address, error) {
	unread := errors.New("the address postgres://… of the database cannot be read: it is postgres://user:password@host:port/name, with special characters of user and password written as %2F for /, %23 for #, %3F for ?, %40 for @, %25 for %")
	u, err := url.Parse(address)
	if err != nil || u.Fragment != "" || strings.Contains(u.Path, "@") || strings.Contains(u.RawQuery, "@") {
		return Address{}, unread
	}
	if _, err := pgx.ParseConfig(address); err != nil {
		_, why, ok := strings.Cut(err.Error(), "`: ") // pgx repeats the address before it
		if !ok {
			return Address{}, unread
		}
		return Address{}, fmt.Errorf("the address postgres://… of the database: %s", why)
	}
	return Address{Dialect: Postgres, url: address}, nil
}
