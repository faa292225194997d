package jinja

// node is a statement; expr is an expression.
type (
	node interface{ exec(r *run, s *scope) flow }
	expr interface{ eval(r *run, s *scope) any }
)

// flow is how a statement ended.
type flow int

const (
	next   flow = iota
	breaks      // the loop
	goesOn      // with the loop's next item
)

// Statements.
type (
	textNode  struct{ text string }
	printNode struct{ value expr }
	ifNode    struct {
		tests  []expr
		bodies [][]node
		other  []node // else
	}
	forNode struct {
		names  []string
		over   expr
		filter expr // or nil
		body   []node
		other  []node // else
	}
	setNode struct {
		names []string // several for a tuple
		attr  string   // of a namespace, or ""
		value expr     // or nil for a block
		body  []node
		pipe  []filterCall // of a block
	}
	macroNode struct {
		name     string
		params   []string
		defaults map[string]expr
		body     []node
	}
	jumpNode  struct{ to flow }
	groupNode struct{ body []node } // {% generation %}
)

// Expressions.
type (
	literal  struct{ value any }
	name     struct{ name string }
	listExpr struct {
		items []expr
		tuple bool
	}
	dictExpr struct{ keys, values []expr }
	unary    struct {
		op string
		x  expr
	}
	binary struct {
		op   string
		x, y expr
	}
	chain struct { // a < b <= c
		first expr
		ops   []string
		rest  []expr
	}
	either struct{ yes, test, no expr } // no may be nil
	attr   struct {
		x    expr
		name string
	}
	index  struct{ x, i expr }
	sliced struct{ x, from, to, step expr }
	call   struct {
		f    expr
		args arguments
	}
	filterCall struct {
		name string
		args arguments
	}
	filtered struct {
		x    expr
		pipe filterCall
	}
	tested struct {
		x    expr
		not  bool
		test string
		args arguments
	}
)

// arguments are those of a call: by place and by name.
type arguments struct {
	list  []expr
	named []namedArg
}

type namedArg struct {
	name  string
	value expr
}
