package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Dollars is an amount of money in millionths of a dollar. It prints and parses
// as dollars.
type Dollars int64

// Micro is how many millionths a dollar has.
const Micro = 1_000_000

// MaxAmount is the most that one posting moves, in micros: a billion dollars.
const MaxAmount = 1_000_000_000 * Micro

// String is the amount in dollars, with two to six decimals: "0.28", "-3.50",
// "0.0035".
func (d Dollars) String() string {
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", -n
	}
	frac := strings.TrimRight(fmt.Sprintf("%06d", n%Micro), "0")
	for len(frac) < 2 {
		frac += "0"
	}
	return sign + strconv.FormatUint(n/Micro, 10) + "." + frac
}

// ParseDollars reads an amount such as "25", "0.28" or "-3.5", exactly: at most
// six decimals, and at most MaxAmount either way.
func ParseDollars(s string) (Dollars, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, frac, point := strings.Cut(digits, ".")
	bad := whole == "" || len(whole) > 12 || len(frac) > 6 || point && frac == ""
	for _, c := range whole + frac {
		bad = bad || c < '0' || c > '9'
	}
	if bad {
		return 0, fmt.Errorf("%.40q is no amount: write dollars with at most six decimals, such as 25.00", s)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 6-len(frac)), 10, 64)
	if err != nil || n > MaxAmount {
		return 0, fmt.Errorf("%.40s dollars is too much: at most %d", s, MaxAmount/Micro)
	}
	if negative {
		n = -n
	}
	return Dollars(n), nil
}

// MarshalText is String.
func (d Dollars) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDollars, so that flags and configuration files may hold
// amounts.
func (d *Dollars) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDollars(string(text))
	return err
}
