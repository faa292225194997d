package world

import "strings"

// everydayDoesEn returns all that the actors do, with the verbs in a form.
func everydayDoesEn(f *facts, as form, r *rng) string {
	first := verbForm(everydayVerbEn(f, f.Events[0], r), as)
	if len(f.Events) == 1 {
		return first
	}
	if as == isIng || as == areIng {
		as = ing
	}
	second := verbForm(everydayVerbEn(f, f.Events[1], r), as)
	return first + pick(r, []string{", then ", " and then ", " and later ", ", and afterwards "}) + second
}

// everydayPlaceEn returns where the actors are, or what they move along.
func everydayPlaceEn(f *facts, r *rng) string {
	if !f.place {
		return ""
	}
	goes := f.Events[0].sideways() || f.pansAt(f.Events[0])
	if goes && len(f.Events) == 1 && r.chance(0.7) {
		return pick(r, pathsEn[f.Place])
	}
	return pick(r, everydayPlacesEn[f.Place])
}

// everydaySkyEn returns the hour and the weather, in one phrase or in two.
func everydaySkyEn(f *facts, r *rng) []string {
	deep := f.Place == Underwater || f.Place == Space
	if f.time && (f.weather || f.Weather == Clear && r.chance(0.3)) && !deep && r.chance(0.6) {
		return []string{pick(r, skiesEn[sky{f.Time, f.Weather}])}
	}
	var list []string
	if f.time {
		list = append(list, pick(r, everydayTimesEn[f.Time]))
	}
	if f.weather {
		list = append(list, pick(r, everydayWeathersEn[f.Weather]))
	}
	shuffle(r, list)
	return list
}

// everydayCameraEn returns what the camera does: a clause, a command, or
// nothing.
func everydayCameraEn(f *facts, many bool, r *rng) string {
	switch {
	case f.command:
		return "[" + pick(r, commands[f.Camera]) + "]"
	case !f.camera:
		return ""
	case f.followed() && r.chance(0.4):
		who := "it"
		if many {
			who = "them"
		}
		return "the camera " + pick(r, []string{"follows ", "follows ", "goes along with "}) + who
	}
	return pick(r, everydayCamerasEn[f.Camera])
}

// everydayGroupEn returns who does what, as a sentence without its setting.
// many reports whether there are several actors.
func everydayGroupEn(f *facts, as form, r *rng) (text string, many bool) {
	a := everydayActorEn(f, 0, r)
	many = f.Actors[0].Count > 1 || len(f.Actors) > 1
	if as != ing && many {
		as = map[form]form{third: plain, isIng: areIng}[as]
	}
	if len(f.Actors) == 1 {
		return a + " " + everydayDoesEn(f, as, r), many
	}
	b := everydayActorEn(f, 1, r)
	rel := pick(r, relationsEn[f.Relation])
	if (f.Relation == LeftOf || f.Relation == RightOf) && r.chance(0.4) {
		rel = pick(r, nearEn)
	}
	return a + " " + rel + " " + b + " " + everydayDoesEn(f, as, r), many
}

// everydayEn composes a caption.
func everydayEn(f *facts, r *rng) string {
	place, hours := everydayPlaceEn(f, r), everydaySkyEn(f, r)
	as := pick(r, []form{third, third, isIng})
	kind := r.intn(10)
	var text string
	var many bool
	switch {
	case kind == 0: // keywords
		group, several := everydayGroupEn(f, ing, r)
		many = several
		text = join(", ", append([]string{group, place}, hours...)...)
		if camera := everydayCameraEn(f, many, r); strings.HasPrefix(camera, "[") {
			text += " " + camera
		} else {
			text = join(", ", text, strings.TrimPrefix(camera, "the "))
		}
		return withoutArticles(text, 0.5, r)
	case kind == 1: // what to make
		group, several := everydayGroupEn(f, ing, r)
		many = several
		text = pick(r, []string{"a video of ", "show ", "show me ", "a scene of ", "make a video of ", "a storybook scene with "}) + join(" ", append([]string{group, place}, hours...)...)
	case kind == 2 && len(f.Actors) == 1: // two sentences
		a := everydayActorEn(f, 0, r)
		many = f.Actors[0].Count > 1
		be, it, verb := "there is ", "it ", third
		if many {
			be, it, verb = "there are ", "they ", plain
		}
		text = sentence(join(" ", be+a, pickPlace(f, r))) + " " + sentence(join(" ", append([]string{it + everydayDoesEn(f, verb, r)}, hours...)...))
		return plainly(withCameraEn(strings.TrimSuffix(text, "."), everydayCameraEn(f, many, r), r), r)
	case kind < 5 && len(hours) > 0: // the hour first
		group, several := everydayGroupEn(f, as, r)
		many = several
		text = hours[0] + ", " + join(" ", append([]string{group, place}, hours[1:]...)...)
	default:
		group, several := everydayGroupEn(f, as, r)
		many = several
		if kind == 9 {
			text = join(" ", append([]string{group}, append(hours, place)...)...)
		} else {
			text = join(" ", append([]string{group, place}, hours...)...)
		}
	}
	return withoutArticles(plainly(withCameraEn(text, everydayCameraEn(f, many, r), r), r), 0.08, r)
}

// pickPlace returns where the actors are, if the text states it.
func pickPlace(f *facts, r *rng) string {
	if !f.place {
		return ""
	}
	return pick(r, everydayPlacesEn[f.Place])
}

// withCameraEn joins what is seen and what the camera does.
func withCameraEn(text, camera string, r *rng) string {
	switch {
	case camera == "":
		return sentence(text)
	case strings.HasPrefix(camera, "["):
		return sentence(text) + " " + camera
	case !strings.HasPrefix(camera, "the "):
		return sentence(text) + " " + sentence(camera)
	}
	switch r.intn(8) {
	case 0:
		return sentence(text + "; " + camera)
	case 1:
		return sentence(text + ", and " + camera)
	case 2:
		return sentence(text + " while " + camera)
	case 3:
		return sentence(text + " as " + camera)
	case 4:
		return sentence(camera + " while " + text)
	}
	return sentence(text) + " " + sentence(camera)
}

// withoutArticles leaves the articles out with probability p, as people do who
// type in a hurry.
func withoutArticles(text string, p float64, r *rng) string {
	if !r.chance(p) {
		return text
	}
	var words []string
	for _, w := range strings.Fields(text) {
		switch strings.ToLower(w) {
		case "a", "an", "the":
			continue
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}
