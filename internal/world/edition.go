package world

// An Edition is a state of the storybook's vocabulary; each has all words of the
// previous one. A model knows the words of the edition that it was taught, and
// its weights say which. An edition later than [Newest], in weights that a later
// program made, counts as Newest, since this program knows no more words.
type Edition int

// The editions.
const (
	// NoEdition has no words: it is for a model that was taught none.
	NoEdition Edition = 0
	// FirstEdition has eight colours, up to White, and the words of [Scene.Caption].
	FirstEdition Edition = 1
	// EverydayEdition also has black, grey and brown, and the other words of
	// [Scene.Tell].
	EverydayEdition Edition = 2

	Newest = EverydayEdition
)

// known returns the edition whose words this program has for e.
func (e Edition) known() Edition { return max(NoEdition, min(e, Newest)) }
