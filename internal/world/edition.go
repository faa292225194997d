package world

// An Edition is the storybook as it was at some time, as far as its words go:
// each has all words of the one before. A model knows those of the edition that
// it was taught, and its weights say which. Later ones than [Newest], of weights
// that a later program made, count as Newest: this program knows no more words.
type Edition int

// The editions.
const (
	// NoEdition has no words: it is that of a model that was taught none.
	NoEdition Edition = 0
	// FirstEdition has eight colours, up to White, and the words of [Scene.Caption].
	FirstEdition Edition = 1
	// EverydayEdition also has black, grey and brown, and the other words of
	// [Scene.Tell].
	EverydayEdition Edition = 2

	Newest = EverydayEdition
)

// known is the edition with the words that this program knows of e.
func (e Edition) known() Edition { return max(NoEdition, min(e, Newest)) }
