package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Around says which pieces Encode puts around a text, if the vocabulary has them;
// a spiece.model does not say it. T5 has End, Llama Begin.
type Around struct{ Begin, End bool }

// ReadSentencePiece reads a spiece.model: the protobuf that SentencePiece writes,
// of type Unigram or BPE, with its normalizer. Ids are those of SentencePiece:
// pieces like </s> in a text are text. Tokens that a model's tokenizer adds to
// the vocabulary, such as T5's <extra_id_0>, are not in the file.
//
// The file is not trusted, as with ReadJSON.
func ReadSentencePiece(data []byte, around Around) (*Tokenizer, error) {
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("token: spiece.model has %d bytes, more than the %d allowed", len(data), MaxFileBytes)
	}
	m := &modelProto{
		unigram: true, surface: " ⁇ ", begin: "<s>", end: "</s>",
		spaces: spaces{dummy: true, trimmed: true, marked: true},
	}
	if err := fields(data, m.field); err != nil {
		return nil, fmt.Errorf("token: reading spiece.model: %w", err)
	}
	table, err := readCharsmap(m.table)
	if err != nil {
		return nil, err
	}
	m.spaces.table = table
	if err := m.v.check(m.bytes); err != nil {
		return nil, err
	}
	t, err := newPieces(&m.v, m.unigram, &m.spaces, m.surface)
	if err != nil {
		return nil, err
	}
	control := func(wanted bool, s string) int32 {
		if id := m.v.all.find(s); wanted && id >= 0 && m.v.kind[id] == controlPiece {
			return id
		}
		return -1
	}
	t.around(control(around.Begin, m.begin), control(around.End, m.end))
	return t, nil
}

// modelProto is what counts of sentencepiece_model.proto.
type modelProto struct {
	v                   pieceSet
	unigram, bytes      bool
	surface, begin, end string
	spaces              spaces
	table               []byte
}

// protoField is a field of a protobuf: a number, or bytes.
type protoField struct {
	tag   uint64 // number<<3 | wire type
	value uint64
	bytes []byte
}

// Wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// fields calls each with the fields of a protobuf message, one after another.
func fields(b []byte, each func(protoField) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return errors.New("it is damaged, or not a protobuf")
		}
		b = b[n:]
		f := protoField{tag: tag}
		switch tag & 7 {
		case wireVarint, wireBytes:
			if f.value, n = binary.Uvarint(b); n <= 0 {
				return errors.New("it is cut short")
			}
		case wireFixed64:
			n = 8
		case wireFixed32:
			n = 4
		default:
			return errors.New("it is damaged, or not a protobuf")
		}
		if n > len(b) {
			return errors.New("it is cut short")
		}
		if tag&7 == wireFixed32 {
			f.value = uint64(binary.LittleEndian.Uint32(b))
		}
		b = b[n:]
		if tag&7 == wireBytes {
			if f.value > uint64(len(b)) {
				return errors.New("it is cut short")
			}
			f.bytes, b = b[:f.value], b[f.value:]
		}
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

func (m *modelProto) field(f protoField) error {
	switch f.tag {
	case 1<<3 | wireBytes:
		return m.piece(f.bytes)
	case 2<<3 | wireBytes:
		return fields(f.bytes, m.trainer)
	case 3<<3 | wireBytes:
		return fields(f.bytes, m.normalizer)
	case 5<<3 | wireBytes: // denormalizer_spec, whose field 2 is a table
		return fields(f.bytes, func(f protoField) error {
			if f.tag == 2<<3|wireBytes && len(f.bytes) > 0 {
				return errors.New("it has a denormalizer, which this build does not know")
			}
			return nil
		})
	}
	return nil
}

func (m *modelProto) piece(b []byte) error {
	v := &m.v
	if len(v.text) >= MaxTokens {
		return fmt.Errorf("it has more than the %d pieces allowed", MaxTokens)
	}
	text, score, kind := "", float32(0), normalPiece
	err := fields(b, func(f protoField) error {
		switch f.tag {
		case 1<<3 | wireBytes:
			text = string(f.bytes)
		case 2<<3 | wireFixed32:
			score = math.Float32frombits(uint32(f.value))
		case 3<<3 | wireVarint:
			kind = pieceKind(min(f.value, math.MaxInt32))
		}
		return nil
	})
	v.text, v.score, v.kind = append(v.text, text), append(v.score, score), append(v.kind, kind)
	return err
}

func (m *modelProto) trainer(f protoField) error {
	switch f.tag {
	case 3<<3 | wireVarint:
		if f.value != 1 && f.value != 2 {
			return fmt.Errorf("it has a model of type %d; this build has Unigram (1) and BPE (2)", f.value)
		}
		m.unigram = f.value == 1
	case 24<<3 | wireVarint:
		m.spaces.suffix = f.value != 0
	case 35<<3 | wireVarint:
		m.bytes = f.value != 0
	case 44<<3 | wireBytes:
		if len(f.bytes) > MaxAddedBytes {
			return fmt.Errorf("it shows unknown text as %d bytes, more than the %d allowed", len(f.bytes), MaxAddedBytes)
		}
		m.surface = validText(string(f.bytes))
	case 46<<3 | wireBytes:
		m.begin = string(f.bytes)
	case 47<<3 | wireBytes:
		m.end = string(f.bytes)
	}
	return nil
}

func (m *modelProto) normalizer(f protoField) error {
	switch f.tag {
	case 2<<3 | wireBytes:
		m.table = f.bytes
	case 3<<3 | wireVarint:
		m.spaces.dummy = f.value != 0
	case 4<<3 | wireVarint:
		m.spaces.trimmed = f.value != 0
	case 5<<3 | wireVarint:
		m.spaces.marked = f.value != 0
	}
	return nil
}
