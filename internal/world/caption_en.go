package world

import "strings"

// nounsEn are a subject's nouns, singular and plural, the usual one first.
var nounsEn = [NumSubjects][][2]string{
	Cat: {{"cat", "cats"}, {"cat", "cats"}, {"kitten", "kittens"}}, Dog: {{"dog", "dogs"}, {"dog", "dogs"}, {"puppy", "puppies"}},
	Bird: {{"bird", "birds"}}, Fish: {{"fish", "fish"}}, Car: {{"car", "cars"}, {"car", "cars"}, {"automobile", "automobiles"}},
	Boat:       {{"boat", "boats"}, {"boat", "boats"}, {"sailboat", "sailboats"}},
	SteamTrain: {{"train", "trains"}, {"train", "trains"}, {"steam train", "steam trains"}},
	Rocket:     {{"rocket", "rockets"}, {"rocket", "rockets"}, {"spaceship", "spaceships"}},
	Balloon:    {{"balloon", "balloons"}, {"hot air balloon", "hot air balloons"}},
	Butterfly:  {{"butterfly", "butterflies"}}, Ball: {{"ball", "balls"}},
	Person: {{"person", "people"}, {"person", "people"}, {"child", "children"}},
}

// smallEn are nouns that imply that something is small.
var smallEn = map[string]bool{"kitten": true, "puppy": true, "child": true}

var (
	sizesEn = [NumSizes][]string{Medium: {"medium-sized", "medium"}, Small: {"small", "little", "tiny"}, Large: {"large", "big", "huge"}}
	countEn = [MaxCount + 1][]string{1: {"a"}, 2: {"two", "two", "2", "a pair of"}, 3: {"three", "three", "3"}}

	placesEn = [NumPlaces][]string{
		Meadow: {"in a meadow", "in the meadow", "in a grassy meadow", "on a meadow"}, Beach: {"on a beach", "at the beach", "on a sandy beach", "on the beach"},
		Ocean: {"on the ocean", "on the open sea", "over the ocean", "at sea"}, City: {"in a city", "in the city", "in a city street", "in town"},
		Desert: {"in a desert", "in the desert", "among desert dunes"}, Mountains: {"in the mountains", "among high mountains", "in front of mountains"},
		Underwater: {"underwater", "under the sea", "at the bottom of the sea", "under water"}, Space: {"in space", "in outer space", "out in space"},
	}
	timesEn = [NumDaytimes][]string{
		Day:    {"by day", "during the day", "in daylight", "in the daytime", "on a bright day"},
		Sunset: {"at sunset", "at dusk", "in the light of the setting sun", "in the evening"},
		Night:  {"at night", "by night", "in the dark of night", "under the moon"},
	}
	weathersEn = [NumWeathers][]string{
		Clear: {"under a clear sky", "in clear weather", "in fine weather"},
		Rain:  {"in the rain", "while it rains", "in rainy weather", "as rain falls"},
		Snow:  {"in the snow", "while it snows", "in snowy weather", "as snow falls"},
	}
	relationsEn = [NumRelations][]string{
		LeftOf: {"to the left of", "left of", "on the left of"}, RightOf: {"to the right of", "right of", "on the right of"},
		Above: {"above", "over"}, Below: {"below", "beneath", "under"},
	}
	camerasEn = [NumCameras][]string{
		Static:   {"the camera does not move", "the camera is still", "static camera", "fixed camera"},
		PanLeft:  {"the camera pans left", "the camera pans to the left", "the view slides to the left", "pan left"},
		PanRight: {"the camera pans right", "the camera pans to the right", "the view slides to the right", "pan right"},
		TiltUp:   {"the camera tilts up", "the camera tilts upward", "the camera looks up", "tilt up"},
		TiltDown: {"the camera tilts down", "the camera tilts downward", "the camera looks down", "tilt down"},
		ZoomIn:   {"the camera zooms in", "the view zooms in", "the camera slowly zooms in", "zoom in"},
		ZoomOut:  {"the camera zooms out", "the view zooms out", "the camera slowly zooms out", "zoom out"},
	}
)

// mannersEn are the verbs of moving, "one goes|several go".
var mannersEn = [numManners + 1][]string{
	walks: {"walks|walk", "runs|run"}, flies: {"flies|fly"}, swims: {"swims|swim"}, drives: {"drives|drive", "rides|ride"},
	sails: {"sails|sail"}, rolls: {"rolls|roll"}, floats: {"floats|float", "drifts|drift"}, numManners: {"moves|move", "goes|go"},
}

// motionsEn are verb phrases. @ stands for a verb of moving; "one|several"
// agrees with the number.
var motionsEn = [NumMotions][]string{
	MoveLeft:  {"@ left", "@ to the left", "@ from right to left", "moves|move left", "goes|go to the left"},
	MoveRight: {"@ right", "@ to the right", "@ from left to right", "moves|move right", "goes|go to the right"},
	MoveUp:    {"moves|move up", "rises|rise", "goes|go up", "floats|float upward", "climbs|climb upward"},
	MoveDown:  {"moves|move down", "sinks|sink", "goes|go down", "floats|float downward", "comes|come down"},
	Bounce:    {"bounces|bounce", "bounces|bounce up and down", "jumps|jump up and down", "hops|hop up and down"},
	Circle:    {"moves|move in a circle", "@ in circles", "goes|go round and round", "circles|circle around"},
	Approach:  {"comes|come closer", "approaches|approach", "comes|come toward the camera", "moves|move toward us", "gets|get nearer"},
	Still:     {"stays|stay still", "does|do not move", "stays|stay in place", "rests|rest without moving"},
}

// actorEn returns "a small red cat" and, for later mention, "cat".
func actorEn(f *facts, i int, r *rng) (full, noun string) {
	a := f.Actors[i]
	n := pick(r, nounsEn[a.Subject])
	if f.fit && a.Size != Small && smallEn[n[0]] {
		n = nounsEn[a.Subject][0]
	}
	noun = n[min(a.Count-1, 1)]
	color := a.Color.String()
	words := []string{}
	if f.size[i] {
		words = append(words, pick(r, sizesEn[a.Size]))
	}
	if a.Subject == Person {
		words = append(words, noun)
		switch r.intn(4) {
		case 0:
			words[len(words)-1] = color + " " + noun
		case 1:
			words = append(words, "in", color)
		case 2:
			words = append(words, "dressed in", color)
		default:
			words = append(words, "in", pick(r, []string{color + " clothes", color + " coats", color + " coats"}[:1+2*min(a.Count-1, 1)]))
		}
	} else {
		words = append(words, color, noun)
	}
	count := pick(r, countEn[a.Count])
	full = count + " " + strings.Join(words, " ")
	if a.Count == 1 && strings.ContainsRune("aeiou", rune(full[2])) {
		full = "an" + full[1:]
	}
	return full, noun
}

func verbEn(f *facts, m Motion, many int, r *rng) string {
	v := pick(r, motionsEn[m])
	v = strings.Replace(v, "@", pick(r, mannersEn[f.joint()]), 1)
	words := strings.Fields(v)
	for i, w := range words {
		if one, several, ok := strings.Cut(w, "|"); ok {
			words[i] = [2]string{one, several}[many]
		}
	}
	return strings.Join(words, " ")
}

func eventsEn(f *facts, many int, r *rng) string {
	first := verbEn(f, f.Events[0], many, r)
	if len(f.Events) == 1 {
		return first
	}
	second := verbEn(f, f.Events[1], many, r)
	switch r.intn(3) {
	case 0:
		return "first " + first + ", then " + second
	case 1:
		return first + " and then " + second
	}
	return first + ", and after that " + second
}

// groupEn returns who does what: "a red cat moves left".
func groupEn(f *facts, r *rng) string {
	a, nounA := actorEn(f, 0, r)
	many := min(f.Actors[0].Count-1, 1)
	if len(f.Actors) == 1 {
		if r.chance(0.12) {
			it := [2]string{"it", "they"}[many]
			return [2]string{"there is ", "there are "}[many] + a + ", and " + it + " " + eventsEn(f, many, r)
		}
		return a + " " + eventsEn(f, many, r)
	}
	b, nounB := actorEn(f, 1, r)
	rel := pick(r, relationsEn[f.Relation])
	be := [2]string{"is", "are"}[many]
	if r.chance(0.5) {
		return a + " " + be + " " + rel + " " + b + ", and they " + eventsEn(f, 1, r)
	}
	return a + " and " + b + " " + eventsEn(f, 1, r) + ", the " + nounA + " " + rel + " the " + nounB
}

// settingEn lists place, time and weather, in any order.
func settingEn(f *facts, r *rng) []string {
	var list []string
	if f.place {
		list = append(list, pick(r, placesEn[f.Place]))
	}
	if f.time {
		list = append(list, pick(r, timesEn[f.Time]))
	}
	if f.weather {
		list = append(list, pick(r, weathersEn[f.Weather]))
	}
	shuffle(r, list)
	return list
}

func captionEn(f facts, r *rng) string {
	set := settingEn(&f, r)
	group := groupEn(&f, r)
	camera := ""
	switch {
	case f.command:
		camera = "[" + pick(r, commands[f.Camera]) + "]"
	case f.camera:
		camera = pick(r, camerasEn[f.Camera])
	}
	var text string
	switch k := r.intn(10); {
	case k == 0: // keywords
		parts := append([]string{group}, set...)
		if camera != "" && !f.command {
			parts = append(parts, camera)
		}
		text = strings.Join(parts, ", ")
		if f.command {
			text += " " + camera
		}
		return text
	case k < 4 && len(set) > 0: // one part of the setting first
		text = set[0] + ", " + group
		if len(set) > 1 {
			text += " " + strings.Join(set[1:], " ")
		}
	case k == 4 && len(set) > 1:
		text = "a scene " + strings.Join(set, " ") + ": " + group
	default:
		text = strings.TrimSpace(group + " " + strings.Join(set, " "))
	}
	switch {
	case camera == "":
		return sentence(text)
	case f.command && r.chance(0.4):
		return camera + " " + sentence(text)
	case f.command:
		return sentence(text) + " " + camera
	case r.chance(0.2):
		return sentence(camera) + " " + sentence(text)
	case strings.HasPrefix(camera, "the ") && r.chance(0.3):
		return sentence(text + " while " + camera)
	}
	return sentence(text) + " " + sentence(camera)
}
