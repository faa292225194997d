package token

import "fmt"

// Metadata are the entries of a GGUF file, as package gguf reads them.
type Metadata interface {
	Has(key string) bool
	Text(key string) (string, error)
	Texts(key string) ([]string, error)
	Bool(key string) (bool, error)
	Int(key string) (int64, error)
	Ints(key string) ([]int64, error)
	Floats(key string) ([]float64, error)
}

// ReadGGUF is what the metadata of a GGUF file say about its tokenizer.
func ReadGGUF(f Metadata) (g GGUF, err error) {
	const prefix = "tokenizer.ggml."
	read := func(key string, how func(key string) error) {
		if f.Has(prefix+key) && err == nil {
			err = how(prefix + key)
		}
	}
	text := func(to *string) func(string) error {
		return func(key string) (err error) { *to, err = f.Text(key); return err }
	}
	texts := func(to *[]string) func(string) error {
		return func(key string) (err error) { *to, err = f.Texts(key); return err }
	}
	yes := func(to **bool) func(string) error {
		return func(key string) error { b, err := f.Bool(key); *to = &b; return err }
	}
	id := func(to **uint32) func(string) error {
		return func(key string) error {
			n, err := f.Int(key)
			if err == nil && n != int64(uint32(n)) {
				err = fmt.Errorf("token: entry %q of the GGUF file is %d, which is no token", key, n)
			}
			u := uint32(n)
			*to = &u
			return err
		}
	}
	read("model", text(&g.Model))
	read("pre", text(&g.Pre))
	read("tokens", texts(&g.Tokens))
	read("merges", texts(&g.Merges))
	read("token_type", func(key string) error {
		all, err := f.Ints(key)
		for _, n := range all {
			g.TokenType = append(g.TokenType, int32(n))
		}
		return err
	})
	read("scores", func(key string) error {
		all, err := f.Floats(key)
		for _, x := range all {
			g.Scores = append(g.Scores, float32(x))
		}
		return err
	})
	read("precompiled_charsmap", func(key string) error {
		all, err := f.Ints(key)
		for _, n := range all {
			g.Charsmap = append(g.Charsmap, byte(n))
		}
		return err
	})
	read("bos_token_id", id(&g.BOS))
	read("eos_token_id", id(&g.EOS))
	read("add_bos_token", yes(&g.AddBOS))
	read("add_eos_token", yes(&g.AddEOS))
	read("add_space_prefix", yes(&g.AddSpace))
	read("remove_extra_whitespaces", yes(&g.RemoveMore))
	return g, err
}
