package kinora

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/kinora-video/kinora/internal/catalog"
	"github.com/kinora-video/kinora/internal/grammar"
	"github.com/kinora-video/kinora/internal/jinja"
	"github.com/kinora-video/kinora/internal/model/lm"
	"github.com/kinora-video/kinora/internal/shelf"
)

// ChatEngine is the engine of language models, as catalogues and records of pulled
// models name it.
const ChatEngine = "lm"

// DefaultChatModel is the language model that messages say to pull where there is
// none.
const DefaultChatModel = "smollm2"

// Defaults of ChatOptions, and the most tokens of an answer where kinora chat and the
// server are told nothing else: small models may repeat themselves without end.
const (
	DefaultChatContext  = 8192
	DefaultChatParallel = 4
	DefaultAnswerTokens = 1024
)

// Role says whose message it is.
type Role string

// The roles. Which of them a model knows, and in which order they may come, is up to
// its template.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one turn of a conversation.
type Message struct {
	Role Role
	Text string
}

// Decoding says how tokens are drawn. The zero value takes the likeliest one each
// time.
type Decoding struct {
	// Temperature divides the logits: 0 takes the likeliest token, and more than 1
	// makes the rest likelier than the model has them.
	Temperature float64
	// TopK keeps so many of the likeliest tokens, TopP those that together have this
	// probability, MinP those that have at least this part of the likeliest one's. 0
	// keeps all.
	TopK       int
	TopP, MinP float64
	// RepetitionPenalty makes tokens that were there before less likely; 0 and 1 do
	// not.
	RepetitionPenalty float64
}

// DefaultDecoding is what kinora chat and the server take where nothing is said.
var DefaultDecoding = Decoding{Temperature: 0.7, TopK: 40, TopP: 0.95}

// ChatRequest asks for the next message of a conversation.
type ChatRequest struct {
	Messages []Message // the last one is the one to be answered
	Decoding Decoding
	Seed     uint64 // the same seed and request give the same answer, but see Cache
	// MaxTokens ends the answer; 0 is as many as the context holds.
	MaxTokens int
	// Stop are texts at which the answer ends, before them: at most 16 of at most 512
	// bytes.
	Stop []string
	// Format, if it is not the zero value, is what the whole answer must be.
	Format AnswerFormat
	// Think lets a model that can do so think before it answers, in Reasoning. It
	// does not go together with a format.
	Think bool
	// Cache names a conversation, or those of one user: what was computed for a
	// request of the same name is not computed again where this one begins alike. The
	// numbers may then differ in their last digits, and an answer with them. "" shares
	// nothing.
	Cache string
}

// Why an answer ended.
const (
	StopEnd    = "stop"   // the model ended it, or a stop text
	StopLength = "length" // MaxTokens, or the context is full
)

// ChatPiece is a part of an answer: whole characters.
type ChatPiece struct{ Text, Reasoning string }

// ChatAnswer is an answer, and what it took.
type ChatAnswer struct {
	Text      string
	Reasoning string // what the model thought before, where it does
	Stop      string // StopEnd or StopLength
	// PromptTokens are those of the conversation, of which CachedTokens were not
	// computed again. AnswerTokens include those of Reasoning, and the one that ended
	// the answer.
	PromptTokens, CachedTokens, AnswerTokens int
	// PromptTime is the time to the first token of the answer, AnswerTime that from
	// there to its end.
	PromptTime, AnswerTime time.Duration
}

// ChatInfo is what a language model is.
type ChatInfo struct {
	Name         string // as it was opened, or as its file calls it
	Architecture string // such as llama or qwen3
	Parameters   int64
	Bytes        int64 // of its weights
	Context      int   // tokens of conversation and answer together
	Thinks       bool  // whether Think does anything
}

// ChatOptions change how a language model is opened.
type ChatOptions struct {
	// Context is how many tokens conversation and answer may have together: no more
	// than the model was made for, as ChatInfo says. 0 is DefaultChatContext.
	Context int
	// Parallel is how many answers are made at a time; more wait. Each takes memory
	// for its context. 0 is DefaultChatParallel.
	Parallel int
}

// ChatModel is an open language model. Several goroutines may use it: their answers
// are made together, up to ChatOptions.Parallel of them. It does not wait for models
// that make videos, nor these for it: they share the cores as the system does it.
type ChatModel struct {
	m        *lm.Model
	info     ChatInfo
	template *jinja.Template
	control  []string // spellings of control tokens
	context  int      // tokens
	turns    *semaphore.Weighted
	parallel int

	words      sync.Once
	vocabulary *grammar.Vocabulary // made by words

	mu       sync.Mutex
	sessions []*chatSession // all there are
	close    sync.Once
	closed   bool
}

// ChatModels returns the names of the language models that were pulled, the last one
// first.
func ChatModels() []string {
	s, err := shelf.Default()
	if err != nil {
		return nil
	}
	records := slices.DeleteFunc(s.Models(), func(r shelf.Record) bool { return r.Engine != ChatEngine })
	slices.SortStableFunc(records, func(a, b shelf.Record) int { return b.Pulled.Compare(a.Pulled) })
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
	}
	return names
}

// OpenChat opens a language model: one that kinora pull has fetched, by its name, or
// one by its path: a file of GGUF, or a folder of safetensors as transformers writes
// it. "" is the language model that was pulled last. Its template of conversations
// has to be with it.
func OpenChat(ctx context.Context, name string, o ChatOptions) (*ChatModel, error) {
	path, name, err := chatPath(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bad := func(kind Kind, err error, hint string) error {
		return wrap(kind, "open language model", name, err, hint)
	}
	if o.Context < 0 || o.Parallel < 0 {
		return nil, bad(Invalid, errors.New("the options have a number below zero"), "")
	}
	m, err := lm.Open(path, lm.OpenOptions{})
	if err != nil {
		kind := Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = NotFound
		}
		return nil, bad(kind, err, "")
	}
	c, err := newChatModel(m, name, o)
	if err != nil {
		return nil, bad(Invalid, errors.Join(err, m.Close()), "")
	}
	return c, nil
}

// chatPath finds a language model by its name or path. given is what it is called in
// messages.
func chatPath(name string) (path, given string, err error) {
	if name == "" {
		all := ChatModels()
		if len(all) == 0 {
			return "", "", &Error{Kind: NotFound, Op: "open language model", Err: errors.New("none has been pulled"), Hint: "get one with: kinora pull " + DefaultChatModel}
		}
		name = all[0]
	}
	s, err := shelf.Default()
	if err == nil {
		r, err := s.Find(name)
		switch {
		case err == nil && r.Engine != ChatEngine:
			return "", "", &Error{Kind: Unsupported, Op: "open language model", What: name, Err: errors.New("it makes videos, and does not talk"), Hint: "use it with: kinora generate --model " + name}
		case err == nil:
			if err := s.Damaged(r); err != nil {
				return "", "", wrap(Storage, "open language model", name, err, "")
			}
			return s.ModelDir(r.Name), r.Name, nil
		}
	}
	if _, err := os.Stat(name); err == nil {
		return name, name, nil
	} else if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".gguf") {
		return "", "", wrap(NotFound, "open language model", name, err, "")
	}
	return "", "", noChatModel(s, name)
}

// noChatModel says how a language model can be had that is not there.
func noChatModel(s *shelf.Shelf, name string) error {
	if slices.Contains(Inside(), name) {
		return &Error{Kind: Unsupported, Op: "open language model", What: name, Err: errors.New("it makes videos, and does not talk"), Hint: "use it with: kinora generate --model " + name}
	}
	e := &Error{Kind: NotFound, Op: "open language model", What: fmt.Sprintf("%q", name), Err: errors.New("there is no such language model"), Hint: "get one with: kinora pull " + DefaultChatModel}
	if all := ChatModels(); len(all) > 0 {
		e.Hint = "the language models here are " + strings.Join(all, ", ")
	}
	if s != nil {
		if r, err := s.Unfinished(name); err == nil {
			e.What, e.Err, e.Hint = r.Name, errHalf, "go on with: kinora pull "+r.Name
			return e
		}
	}
	if c, err := catalog.Load(); err == nil {
		if entry, ok := c.Find(name); ok && entry.Engine == ChatEngine {
			e.What, e.Err, e.Hint = entry.Name, shelf.ErrNotPulled, "get it with: kinora pull "+entry.Name
		}
	}
	return e
}
