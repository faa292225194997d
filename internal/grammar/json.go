package grammar

import "sync"

// Names of the rules of JSON that schemas use too. None is a name that a schema
// can make.
const (
	jsonValue   = "value"
	jsonObject  = "object"
	jsonArray   = "array"
	jsonString  = "string"
	jsonNumber  = "number"
	jsonInteger = "integer"
	jsonSpace   = "space"
)

// jsonRules describe JSON (RFC 8259). What a language model could go on with for
// ever is bounded: space between the parts (one blank, or a line's end with up to
// 20 blanks), and the digits of a number, so that it fits 64 bits.
func jsonRules() map[string]Expr {
	space, digit := Rule(jsonSpace), Chars("0-9")
	hex, from := Chars("0-9a-fA-F"), Chars("1-9")
	list := func(open string, item Expr, end string) Expr {
		more := Repeat(Seq(Text(","), space, item), 0, -1)
		return Seq(Text(open), space, Opt(Seq(item, more)), Text(end))
	}
	whole := func(digits int) Expr { return Or(Text("0"), Seq(from, Repeat(digit, 0, digits-1))) }
	return map[string]Expr{
		jsonValue: Or(Rule(jsonObject), Rule(jsonArray), Seq(Rule(jsonString), space), Seq(Rule(jsonNumber), space),
			Seq(Text("true"), space), Seq(Text("false"), space), Seq(Text("null"), space)),
		jsonObject: Seq(list("{", Seq(Rule(jsonString), space, Text(":"), space, Rule(jsonValue)), "}"), space),
		jsonArray:  Seq(list("[", Rule(jsonValue), "]"), space),
		jsonString: Seq(Text(`"`), Repeat(Rule("char"), 0, -1), Text(`"`)),
		"char": Or(Chars("^\"\\\\\\x00-\\x1f\\x7f"), Seq(Text(`\`), Chars(`"\\/bfnrt`)),
			Seq(Text(`\u`), Rule("unit"))),
		// A character of UTF-16, or the two halves of one.
		"unit": Or(Seq(Chars("0-9a-cA-CefEF"), Repeat(hex, 3, 3)), Seq(Chars("dD"), Chars("0-7"), Repeat(hex, 2, 2)),
			Seq(Chars("dD"), Chars("89abAB"), Repeat(hex, 2, 2), Text(`\u`), Chars("dD"), Chars("c-fC-F"), Repeat(hex, 2, 2))),
		jsonNumber: Seq(Opt(Text("-")), whole(16), Opt(Seq(Text("."), Repeat(digit, 1, 16))),
			Opt(Seq(Chars("eE"), Opt(Chars("+\\-")), Repeat(digit, 1, 2)))),
		jsonInteger: Seq(Opt(Text("-")), whole(18)),
		jsonSpace:   Or(Text(""), Text(" "), Seq(Text("\n"), Repeat(Chars(" \\t"), 0, 20))),
	}
}

// JSON is the grammar of any JSON value.
func JSON() *Grammar { return anyJSON() }

// JSONObject is the grammar of a JSON object: what JSON mode answers with.
func JSONObject() *Grammar { return objectJSON() }

var (
	anyJSON    = sync.OnceValue(func() *Grammar { return jsonFrom(jsonValue) })
	objectJSON = sync.OnceValue(func() *Grammar { return jsonFrom(jsonObject) })
)

func jsonFrom(root string) *Grammar {
	g, err := New(root, jsonRules())
	if err != nil {
		panic(err) // the rules above are wrong
	}
	return g
}
