package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// postProcessor reads what stands around the tokens of a text.
func (r *hfReader) postProcessor(text string) error {
	if text == "" {
		return nil
	}
	return r.addPostProcessor(json.RawMessage(text), 0)
}

func (r *hfReader) addPostProcessor(text json.RawMessage, depth int) error {
	const what = "post_processor"
	kind, err := typeOf(text, what)
	if err != nil {
		return err
	}
	switch kind {
	case "ByteLevel":
		return nil // moves offsets and no token
	case "Sequence":
		return sequence(text, what, "processors", depth, func(step json.RawMessage) error {
			return r.addPostProcessor(step, depth+1)
		})
	case "TemplateProcessing":
		return r.template(text)
	case "RobertaProcessing", "BertProcessing":
		var c struct {
			Type        string `json:"type"`
			Sep         marker `json:"sep"`
			Cls         marker `json:"cls"`
			Trim        bool   `json:"trim_offsets"`
			PrefixSpace bool   `json:"add_prefix_space"`
		}
		if err := partOf(string(text), what+" "+kind, &c); err != nil {
			return err
		}
		return r.around([]int32{c.Cls.id}, []int32{c.Sep.id})
	}
	return unknownPart(what, kind)
}

// marker is a token with its number: ["</s>", 2].
type marker struct{ id int32 }

func (m *marker) UnmarshalJSON(data []byte) error {
	var name string
	pair := []any{&name, &m.id}
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a token is not of a text and a number")
	}
	return nil
}

// template reads TemplateProcessing, of which the form for one text counts.
func (r *hfReader) template(text json.RawMessage) error {
	type step struct {
		Token *struct {
			ID   string `json:"id"`
			Type int    `json:"type_id"`
		} `json:"SpecialToken"`
		Text *struct {
			ID   string `json:"id"`
			Type int    `json:"type_id"`
		} `json:"Sequence"`
	}
	var c struct {
		Type   string          `json:"type"`
		Single []step          `json:"single"`
		Pair   json.RawMessage `json:"pair"`
		Tokens map[string]struct {
			ID     string   `json:"id"`
			IDs    []int32  `json:"ids"`
			Tokens []string `json:"tokens"`
		} `json:"special_tokens"`
	}
	if err := partOf(string(text), "post_processor TemplateProcessing", &c); err != nil {
		return err
	}
	var around [2][]int32
	texts := 0
	for _, s := range c.Single {
		switch {
		case s.Text != nil && s.Text.ID == "A" && s.Token == nil && texts == 0:
			texts++
		case s.Token != nil && s.Text == nil:
			t, ok := c.Tokens[s.Token.ID]
			if !ok {
				return fmt.Errorf("token: the template of tokenizer.json has %.40q, which is not among its special_tokens", s.Token.ID)
			}
			around[texts] = append(around[texts], t.IDs...)
		default:
			return errors.New("token: the template for one text in tokenizer.json is not of special tokens and one Sequence A")
		}
	}
	if texts != 1 {
		return errors.New("token: the template for one text in tokenizer.json has no Sequence A")
	}
	return r.around(around[0], around[1])
}

// maxAround bounds the tokens around a text.
const maxAround = 64

// around puts tokens around a text and what is around it already.
func (r *hfReader) around(before, after []int32) error {
	t := r.t
	t.opens = slices.Concat(before, t.opens)
	t.closes = slices.Concat(t.closes, after)
	for _, id := range slices.Concat(before, after) {
		if t.Token(id) == "" {
			return fmt.Errorf("token: tokenizer.json puts token %d around a text, which is not in the vocabulary", id)
		}
	}
	if len(t.opens)+len(t.closes) > maxAround {
		return fmt.Errorf("token: tokenizer.json puts %d tokens around a text, more than the %d allowed", len(t.opens)+len(t.closes), maxAround)
	}
	return nil
}

// decoder reads how tokens become text.
func (r *hfReader) decoder(text string) error {
	if text == "" {
		if r.byteLevel {
			return errors.New("token: tokenizer.json has the pre-tokenizer ByteLevel and no decoder")
		}
		r.t.decoder.spaces = true
		return nil
	}
	fused := false
	return r.addDecoder(json.RawMessage(text), 0, &fused)
}

// maxStrip bounds the characters that a decoder removes; real files have 1.
const maxStrip = 16

func (r *hfReader) addDecoder(text json.RawMessage, depth int, fused *bool) error {
	const what = "decoder"
	kind, err := typeOf(text, what)
	if err != nil {
		return err
	}
	if kind == "Sequence" {
		return sequence(text, what, "decoders", depth, func(step json.RawMessage) error {
			return r.addDecoder(step, depth+1, fused)
		})
	}
	if (kind == "ByteLevel") != r.byteLevel || r.byteLevel && len(r.t.decoder.stages) > 0 {
		return fmt.Errorf("token: tokenizer.json has the decoder %.40q, which does not go with its pre-tokenizers", kind)
	}
	c := struct {
		Type        string  `json:"type"`
		PrefixSpace *bool   `json:"add_prefix_space"`
		Trim        bool    `json:"trim_offsets"`
		Regex       bool    `json:"use_regex"`
		Replacement string  `json:"replacement"`
		Mark        string  `json:"str_rep"`
		Scheme      string  `json:"prepend_scheme"`
		Split       bool    `json:"split"`
		Pattern     pattern `json:"pattern"`
		Content     string  `json:"content"`
		Start       int     `json:"start"`
		Stop        int     `json:"stop"`
	}{}
	if err := partOf(string(text), what+" "+kind, &c); err != nil {
		return err
	}
	if *fused && kind != "Strip" && kind != "Fuse" {
		return fmt.Errorf("token: the decoder %.40q of tokenizer.json follows Fuse, which this build does not know", kind)
	}
	add := func(stage func() decodeStage) { r.t.decoder.stages = append(r.t.decoder.stages, stage) }
	switch kind {
	case "ByteLevel":
		add(func() decodeStage { return &byteStage{} })
	case "Fuse":
		*fused = true
	case "ByteFallback":
		add(func() decodeStage { return &fallbackStage{} })
	case "Replace":
		if c.Pattern.String == nil || *c.Pattern.String == "" {
			return errors.New("token: the decoder Replace of tokenizer.json has no pattern of type String")
		}
		if len(c.Content) > MaxReplacement {
			return fmt.Errorf("token: the decoder Replace of tokenizer.json writes %d bytes, more than the %d allowed", len(c.Content), MaxReplacement)
		}
		add(func() decodeStage { return replaceStage{*c.Pattern.String, c.Content} })
	case "Strip":
		if min(c.Start, c.Stop) < 0 || max(c.Start, c.Stop) > maxStrip || utf8.RuneCountInString(c.Content) != 1 {
			return fmt.Errorf("token: the decoder Strip of tokenizer.json does not remove 0 to %d of one character", maxStrip)
		}
		whole := *fused
		add(func() decodeStage {
			return &stripStage{content: c.Content, start: c.Start, stop: c.Stop, fused: whole}
		})
	case "Metaspace":
		always, first, err := prependScheme(c.Scheme, c.PrefixSpace)
		if err != nil || c.Replacement == "" {
			return errors.Join(err, errors.New("token: the decoder Metaspace of tokenizer.json cannot be used"))
		}
		add(func() decodeStage { return &metaspaceStage{mark: c.Replacement, keep: !always && !first} })
	default:
		return unknownPart(what, kind)
	}
	return nil
}
