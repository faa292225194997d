package world

import "strings"

// sizeSet is the set of sizes that a word is used for.
type sizeSet uint8

const (
	anySize    sizeSet = 0
	onlySmall  sizeSet = 1 << Small
	notSmall   sizeSet = 1<<Medium | 1<<Large
	onlyLarge  sizeSet = 1 << Large
	notLargest sizeSet = 1<<Medium | 1<<Small
)

// has reports whether a word of the set is used for a size.
func (s sizeSet) has(size Size) bool { return s == anySize || s>>size&1 == 1 }

// nounEn is an everyday noun, singular and plural, with the sizes it is used
// for.
type nounEn struct {
	one, many string
	of        sizeSet
}

var everydayNounsEn = [NumSubjects][]nounEn{
	Cat:        {{"cat", "cats", anySize}, {"kitten", "kittens", onlySmall}, {"kitten", "kittens", onlySmall}, {"kitty", "kitties", onlySmall}, {"house cat", "house cats", notSmall}},
	Dog:        {{"dog", "dogs", anySize}, {"puppy", "puppies", onlySmall}, {"puppy", "puppies", onlySmall}, {"doggy", "doggies", onlySmall}, {"hound", "hounds", notSmall}},
	Bird:       {{"bird", "birds", anySize}, {"songbird", "songbirds", anySize}, {"sparrow", "sparrows", onlySmall}, {"pigeon", "pigeons", notSmall}},
	Fish:       {{"fish", "fish", anySize}},
	Car:        {{"car", "cars", anySize}, {"automobile", "automobiles", anySize}, {"auto", "autos", anySize}, {"taxi", "taxis", anySize}, {"vehicle", "vehicles", anySize}, {"toy car", "toy cars", onlySmall}},
	Boat:       {{"boat", "boats", anySize}, {"ship", "ships", notSmall}, {"ship", "ships", notSmall}, {"sailboat", "sailboats", anySize}, {"sailing boat", "sailing boats", anySize}, {"yacht", "yachts", anySize}},
	SteamTrain: {{"train", "trains", anySize}, {"steam train", "steam trains", anySize}, {"locomotive", "locomotives", anySize}, {"steam engine", "steam engines", anySize}},
	Rocket:     {{"rocket", "rockets", anySize}, {"spaceship", "spaceships", anySize}, {"space rocket", "space rockets", anySize}, {"spacecraft", "spacecraft", anySize}},
	Balloon:    {{"balloon", "balloons", anySize}, {"hot air balloon", "hot air balloons", anySize}, {"hot-air balloon", "hot-air balloons", anySize}},
	Butterfly:  {{"butterfly", "butterflies", anySize}, {"moth", "moths", anySize}},
	Ball:       {{"ball", "balls", anySize}, {"toy ball", "toy balls", anySize}, {"rubber ball", "rubber balls", anySize}, {"football", "footballs", anySize}},
	Person: {
		{"person", "people", anySize},
		{"man", "men", notSmall},
		{"woman", "women", notSmall},
		{"boy", "boys", notLargest},
		{"girl", "girls", notLargest},
		{"kid", "kids", onlySmall},
		{"child", "children", onlySmall},
		{"guy", "guys", notSmall},
		{"lady", "ladies", notSmall},
		{"someone", "some people", anySize},
		{"somebody", "some people", anySize},
	},
}

var (
	everydayColorsEn = [NumColors][]string{
		Red: {"red", "red", "bright red", "crimson", "scarlet", "dark red"}, Orange: {"orange", "orange", "bright orange", "tangerine"},
		Yellow: {"yellow", "yellow", "golden", "bright yellow", "gold"}, Green: {"green", "green", "bright green", "emerald", "dark green"},
		Blue: {"blue", "blue", "dark blue", "bright blue", "deep blue"}, Purple: {"purple", "purple", "violet", "dark purple"},
		Pink: {"pink", "pink", "rosy", "bright pink"}, White: {"white", "white", "snow-white", "pure white"},
		Black: {"black", "black", "pitch-black", "deep black"}, Grey: {"grey", "grey", "gray", "gray", "silver"},
		Brown: {"brown", "brown", "dark brown", "chestnut", "chocolate brown"},
	}
	everydaySizesEn = [NumSizes][]string{
		Medium: {"medium-sized", "normal-sized"}, Small: {"small", "small", "little", "little", "tiny"}, Large: {"big", "big", "large", "huge", "giant", "enormous"},
	}
	everydayCountEn = [MaxCount + 1][]string{
		1: {"a", "a", "a", "a", "the", "one"}, 2: {"two", "two", "a couple of", "a pair of", "2"}, 3: {"three", "three", "a group of three", "3"},
	}

	// Where a subject is, and where it moves.
	everydayPlacesEn = [NumPlaces][]string{
		Meadow: {"in a meadow", "in the grass", "in a field", "on a green field", "in the countryside", "in the park", "on the grass"},
		Beach:  {"on the beach", "at the beach", "on the sand", "by the sea", "at the seaside", "on the shore", "on the coast"},
		Ocean:  {"on the ocean", "out at sea", "on the sea", "on the water", "on the waves", "in the middle of the ocean"},
		City:   {"in the city", "in town", "in the street", "on a city street", "downtown", "in front of tall buildings"},
		Desert: {"in the desert", "in the sand dunes", "on the dunes", "in the hot desert", "among the dunes"},
		Mountains: {
			"in the mountains", "in a mountain valley", "in front of snowy peaks", "high in the mountains", "in the hills",
		},
		Underwater: {"under water", "underwater", "deep in the sea", "under the sea", "on the seabed", "below the waves"},
		Space:      {"in space", "in outer space", "among the stars", "between the stars", "in the universe"},
	}
	pathsEn = [NumPlaces][]string{
		Meadow: {"across a meadow", "through the grass", "over the grass", "across a field", "through the fields", "through the park", "past the trees", "past the flowers"},
		Beach:  {"along the beach", "along the beach", "across the sand", "along the shore", "along the coast", "past the sea", "over the beach"},
		Ocean:  {"across the ocean", "over the waves", "across the sea", "over the sea", "over the water", "through the waves"},
		City:   {"through the city", "down the street", "along the street", "past the houses", "past tall buildings", "through town", "over the road"},
		Desert: {"through the desert", "across the desert", "over the dunes", "past a cactus", "along the dunes", "over the hot sand"},
		Mountains: {
			"through the mountains", "past the mountains", "along a mountain valley", "past high peaks", "over the hills", "across the mountains",
		},
		Underwater: {"through the deep sea", "along the sea floor", "over the seabed", "past the corals", "under the waves", "past the seaweed"},
		Space:      {"through space", "past the stars", "past the planets", "through outer space", "across the universe"},
	}
	everydayTimesEn = [NumDaytimes][]string{
		Day: {"by day", "during the day", "in the morning", "at noon", "in the afternoon", "in broad daylight", "on a nice day", "at midday"},
		Sunset: {
			"at sunset", "at dusk", "in the evening", "at twilight", "at dawn", "at sunrise", "in the evening light",
			"while the sun goes down", "as the sun sets", "while the sun is setting", "when the sun goes down", "as the sun comes up",
		},
		Night: {"at night", "at night", "late at night", "at midnight", "in the moonlight", "in the dark", "after dark", "on a dark night", "while the moon shines"},
	}
	everydayWeathersEn = [NumWeathers][]string{
		Clear: {"under a clear sky", "in good weather", "in nice weather", "under a cloudy sky", "under white clouds"},
		Rain:  {"in the rain", "in the rain", "while it is raining", "while it rains", "in rainy weather", "in a rain shower", "in wet weather", "as the rain falls"},
		Snow:  {"in the snow", "in the snow", "while it is snowing", "while it snows", "in snowy weather", "in a snowfall", "in winter", "as snowflakes fall"},
	}
	// skiesEn state the hour and the weather in one phrase.
	skiesEn = map[sky][]string{
		{Day, Clear}: {"on a sunny day", "on a sunny day", "in the sunshine", "on a bright sunny day", "while the sun shines", "when the sun is shining", "under a blue sky", "on a cloudy day"},
		{Day, Rain}:  {"on a rainy day", "on a rainy morning", "on a wet day"}, {Day, Snow}: {"on a snowy day", "on a winter day", "on a snowy morning"},
		{Sunset, Clear}: {"on a clear evening", "on a fine evening", "on a cloudy evening"}, {Sunset, Rain}: {"on a rainy evening"}, {Sunset, Snow}: {"on a snowy evening", "on a winter evening"},
		{Night, Clear}: {"on a clear night", "under a starry sky", "under the moon"}, {Night, Rain}: {"on a rainy night"}, {Night, Snow}: {"on a snowy night", "on a winter night"},
	}
	everydayCamerasEn = [NumCameras][]string{
		Static:   {"the camera stays still", "the camera does not move", "the camera stands still", "the camera is fixed", "static shot", "steady camera"},
		PanLeft:  {"the camera pans left", "the camera moves left", "the camera moves to the left", "the camera turns left", "the shot pans to the left", "slow pan to the left"},
		PanRight: {"the camera pans right", "the camera moves right", "the camera moves to the right", "the camera turns right", "the shot pans to the right", "slow pan to the right"},
		TiltUp:   {"the camera tilts up", "the camera looks up", "the camera moves up", "the camera turns upwards", "slow tilt up"},
		TiltDown: {"the camera tilts down", "the camera looks down", "the camera moves down", "the camera turns downwards", "slow tilt down"},
		ZoomIn:   {"the camera zooms in", "the camera moves in", "the camera comes closer", "the camera gets closer", "the shot zooms in", "slow zoom in"},
		ZoomOut:  {"the camera zooms out", "the camera pulls back", "the camera moves back", "the camera moves away", "the shot zooms out", "slow zoom out"},
	}
	skyPathsEn = []string{"across the sky", "through the sky", "through the air", "in the sky"}
	nearEn     = []string{"next to", "beside", "near"}
)

// goingEn are verbs of moving; some subjects have more of them.
var (
	goingEn = [numManners + 1][]string{
		walks: {"walk", "walk", "run", "run", "stroll", "wander", "hurry"}, flies: {"fly", "fly", "soar", "glide"}, swims: {"swim", "swim", "paddle"},
		drives: {"drive", "drive", "race", "travel", "speed"}, sails: {"sail", "sail", "cruise", "glide"}, rolls: {"roll", "roll", "tumble"},
		floats: {"float", "drift", "glide"}, numManners: {"move", "go", "travel"},
	}
	moreGoingEn = map[Subject][]string{
		Cat: {"prowl", "sneak"}, Dog: {"trot", "dash"}, Person: {"jog", "march", "hike"}, Butterfly: {"flutter"}, SteamTrain: {"chug", "steam"},
		Rocket: {"shoot", "race"}, Bird: {"flap"}, Fish: {"dart"},
	}
	// motionsOfEn are the other motions: for all subjects, and for some
	// manners.
	motionsOfEn = [NumMotions][]string{
		MoveUp: {"rise", "climb", "go up", "move up", "climb up", "ascend"}, MoveDown: {"sink", "go down", "come down", "move down", "descend", "fall"},
		Bounce:   {"jump", "jump up and down", "hop", "bounce", "leap", "bounce up and down"},
		Circle:   {"go around in circles", "move in circles", "circle around", "go in a circle", "turn in circles"},
		Approach: {"come closer", "come towards us", "approach the camera", "come toward the camera", "get closer", "come near"},
		Still:    {"stay still", "wait", "rest", "do not move"},
	}
	motionsByEn = map[Motion]map[manner][]string{
		MoveUp:   {flies: {"fly up", "take off", "soar into the sky", "climb into the sky"}, floats: {"float up", "float into the sky"}, swims: {"swim up", "swim to the top"}},
		MoveDown: {flies: {"fly down", "land", "dive"}, floats: {"float down", "land"}, swims: {"swim down", "dive"}},
		Bounce:   {walks: {"skip", "jump around", "hop around"}},
		Circle:   {walks: {"run in circles", "walk in a circle"}, flies: {"fly in circles", "fly around"}, swims: {"swim in circles", "swim around"}, drives: {"drive in circles", "drive around"}, sails: {"sail in circles"}, rolls: {"roll in circles"}},
		Approach: {walks: {"walk towards us", "run towards the camera", "run up to us"}, flies: {"fly towards us"}, swims: {"swim towards us"}, drives: {"drive towards us", "drive up to us"}, sails: {"sail towards us"}, rolls: {"roll towards us"}},
		Still:    {walks: {"sit", "sit still", "sit", "stand", "stand still"}, flies: {"hover", "hover in place"}, drives: {"be parked", "stand still", "stop"}, sails: {"lie at anchor", "float in place"}, rolls: {"lie still", "lie there"}, floats: {"hover", "hang in the air"}},
	}
	sidesEn = map[Motion][]string{
		MoveLeft:  {"to the left", "left", "from right to left", "towards the left", "leftwards"},
		MoveRight: {"to the right", "right", "from left to right", "towards the right", "rightwards"},
	}
)

// form is an inflected form of an English verb.
type form uint8

const (
	plain  form = iota // run
	third              // runs
	ing                // running
	isIng              // is running
	areIng             // are running
)

// doubled are verbs whose last letter doubles before -ing.
var doubled = map[string]bool{"run": true, "swim": true, "sit": true, "hop": true, "get": true, "stop": true, "jog": true, "trot": true, "chug": true, "flap": true, "skip": true}

// verbForm inflects the first word of a verb phrase.
func verbForm(phrase string, as form) string {
	verb, rest, _ := strings.Cut(phrase, " ")
	if verb == "do" { // do not move
		switch as {
		case third:
			verb = "does"
		case ing, isIng, areIng:
			verb, rest = "resting", ""
		}
	} else {
		verb = bendVerb(verb, as)
	}
	switch as {
	case isIng:
		verb = "is " + verb
	case areIng:
		verb = "are " + verb
	}
	return strings.Join(strings.Fields(verb+" "+rest), " ")
}

func bendVerb(verb string, as form) string {
	last := verb[len(verb)-1]
	switch as {
	case plain:
		if verb == "be" {
			return "are"
		}
		return verb
	case third:
		switch {
		case verb == "be":
			return "is"
		case strings.HasSuffix(verb, "sh") || strings.HasSuffix(verb, "ch") || last == 'o':
			return verb + "es"
		case last == 'y' && !strings.ContainsRune("aeo", rune(verb[len(verb)-2])):
			return verb[:len(verb)-1] + "ies"
		}
		return verb + "s"
	}
	switch {
	case verb == "be":
		return ""
	case verb == "lie":
		return "lying"
	case doubled[verb]:
		return verb + string(last) + "ing"
	case last == 'e':
		return verb[:len(verb)-1] + "ing"
	}
	return verb + "ing"
}

// womenEn are the nouns of people who may also wear a dress.
var womenEn = map[string]bool{"woman": true, "girl": true, "lady": true}

// everydayActorEn returns "a little brown dog", and "dog".
func everydayActorEn(f *facts, i int, r *rng) (full, noun string) {
	a := f.Actors[i]
	list := everydayNounsEn[a.Subject]
	n := pick(r, list)
	for !n.of.has(a.Size) {
		n = pick(r, list)
	}
	noun = n.one
	if a.Count > 1 {
		noun = n.many
	}
	color := pick(r, everydayColorsEn[a.Color])
	size := ""
	if f.size[i] {
		size = pick(r, everydaySizesEn[a.Size])
	}
	count := pick(r, everydayCountEn[a.Count])
	var words []string
	switch {
	case strings.HasPrefix(noun, "some"): // someone, some people: no article
		if count, size = "", ""; a.Count > 1 {
			count, noun = [MaxCount + 1]string{2: "two", 3: "three"}[a.Count], "people"
		}
		words = []string{noun}
	default:
		words = []string{size, noun}
	}
	if a.Subject == Person {
		clothes := []string{"in " + color, "dressed in " + color, "wearing " + color, "in " + color + " clothes"}
		if a.Count == 1 {
			clothes = append(clothes, "in a "+color+" coat", "with a "+color+" coat")
			if womenEn[noun] {
				clothes = append(clothes, "in a "+color+" dress", "in a "+color+" dress")
			}
		}
		words = append(words, pick(r, clothes))
	} else {
		words = []string{size, color, noun}
		if size == "" && r.chance(0.05) {
			words = []string{noun, "that", [2]string{"is", "are"}[min(a.Count-1, 1)], color}
		}
	}
	return anBefore(strings.Join(strings.Fields(count+" "+strings.Join(words, " ")), " ")), noun
}

// anBefore turns each "a" before a vowel into "an".
func anBefore(text string) string {
	words := strings.Fields(text)
	for i := range len(words) - 1 {
		if words[i] == "a" && strings.ContainsRune("aeiou", rune(words[i+1][0])) {
			words[i] = "an"
		}
	}
	return strings.Join(words, " ")
}

// everydayVerbEn returns one motion as a phrase with a plain verb.
func everydayVerbEn(f *facts, m Motion, r *rng) string {
	way := f.way()
	if !m.sideways() {
		list := motionsOfEn[m]
		if more := motionsByEn[m][way]; more != nil && r.chance(0.55) {
			list = more
		}
		if f.pansAt(m) { // it runs without moving in the frame
			return pick(r, goingEn[way])
		}
		return pick(r, list)
	}
	verb := pick(r, goingEn[way])
	if more := moreGoingEn[f.Actors[0].Subject]; more != nil && way == manners[f.Actors[0].Subject] && len(f.Actors) == 1 && r.chance(0.25) {
		verb = pick(r, more)
	}
	switch {
	case f.direction:
		return verb + " " + pick(r, sidesEn[m])
	case (way == flies || way == floats) && f.Place != Underwater && f.Place != Space && r.chance(0.35):
		return verb + " " + pick(r, skyPathsEn)
	}
	return verb
}

// pansAt reports whether a subject that stays in the frame is described as
// moving: its legs or wheels turn and the ground passes by. Only texts without
// the direction say so.
func (f *facts) pansAt(m Motion) bool {
	return m == Still && !f.direction && (f.Camera == PanLeft || f.Camera == PanRight) && len(f.Events) == 1
}
