package web

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWholeNumbers(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1.0,"b":[-2.50e1,3.5],"c":"1.0 \" 2.0"}`: `{"a":1  ,"b":[-25    ,3.5],"c":"1.0 \" 2.0"}`,
		`1e3`:                                    `1000`,
		`-0.0`:                                   `0   `,
		`9007199254740991.0`:                     `9007199254740991  `,
		`9007199254740993.0`:                     `9007199254740993.0`, // as a float it would be another number
		`1e400 1. 01.0 1.0.0`:                    `1e400 1. 01.0 1.0.0`,
		`1` + strings.Repeat("0", 500) + `e-500`: `1` + strings.Repeat("0", 500) + `e-500`,
		`"open 1.0`:                              `"open 1.0`,
		`{"a":1.0} {"b":2.0}`:                    `{"a":1.0} {"b":2.0}`, // not a single value
	} {
		before := []byte(body)
		if got := string(wholeNumbers(before)); got != want || string(before) != body {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
		if json.Valid(before) && !json.Valid([]byte(want)) {
			t.Errorf("%s became invalid", body)
		}
	}
}
