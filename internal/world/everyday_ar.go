package world

import (
	"slices"
	"strings"
)

// wordAr is an everyday noun, with the sizes and the largest count that it is
// used for.
type wordAr struct {
	nounAr
	of   sizeSet
	most int
}

var everydayNounsAr = [NumSubjects][]wordAr{
	Cat: {{nounAr{"قطة", "قطتان", "ثلاث قطط", true, false}, anySize, 3}, {nounAr{"قط", "قطان", "ثلاثة قطط", false, false}, anySize, 3}, {nounAr{"هرة", "هرتان", "ثلاث هرر", true, false}, anySize, 2}, {nounAr{"هريرة", "هريرتان", "ثلاث هريرات", true, false}, onlySmall, 3}},
	Dog: {{nounAr{"كلب", "كلبان", "ثلاثة كلاب", false, false}, anySize, 3}, {nounAr{"جرو", "جروان", "ثلاثة جراء", false, false}, onlySmall, 3}},
	Bird: {
		{nounAr{"طائر", "طائران", "ثلاثة طيور", false, false}, anySize, 3},
		{nounAr{"عصفور", "عصفوران", "ثلاثة عصافير", false, false}, notLargest, 3},
		{nounAr{"حمامة", "حمامتان", "ثلاث حمامات", true, false}, notSmall, 3},
	},
	Fish: {{nounAr{"سمكة", "سمكتان", "ثلاث سمكات", true, false}, anySize, 3}}, Car: {{nounAr{"سيارة", "سيارتان", "ثلاث سيارات", true, false}, anySize, 3}, {nounAr{"عربة", "عربتان", "ثلاث عربات", true, false}, anySize, 3}},
	Boat: {
		{nounAr{"قارب", "قاربان", "ثلاثة قوارب", false, false}, anySize, 3},
		{nounAr{"سفينة", "سفينتان", "ثلاث سفن", true, false}, notSmall, 3},
		{nounAr{"مركب", "مركبان", "ثلاثة مراكب", false, false}, anySize, 3},
		{nounAr{"زورق", "زورقان", "ثلاثة زوارق", false, false}, notLargest, 3},
	},
	SteamTrain: {{nounAr{"قطار", "قطاران", "ثلاثة قطارات", false, false}, anySize, 3}, {nounAr{"قاطرة", "قاطرتان", "ثلاث قاطرات", true, false}, anySize, 3}},
	Rocket:     {{nounAr{"صاروخ", "صاروخان", "ثلاثة صواريخ", false, false}, anySize, 3}},
	Balloon:    {{nounAr{"منطاد", "منطادان", "ثلاثة مناطيد", false, false}, anySize, 3}, {nounAr{"بالون", "بالونان", "ثلاثة بالونات", false, false}, anySize, 3}},
	Butterfly:  {{nounAr{"فراشة", "فراشتان", "ثلاث فراشات", true, false}, anySize, 3}}, Ball: {{nounAr{"كرة", "كرتان", "ثلاث كرات", true, false}, anySize, 3}},
	Person: {
		{nounAr{"شخص", "شخصان", "ثلاثة أشخاص", false, true}, anySize, 3},
		{nounAr{"رجل", "رجلان", "ثلاثة رجال", false, true}, notSmall, 3},
		{nounAr{"امرأة", "امرأتان", "", true, true}, notSmall, 2},
		{nounAr{"ولد", "ولدان", "ثلاثة أولاد", false, true}, notLargest, 3},
		{nounAr{"بنت", "بنتان", "", true, true}, notLargest, 2},
		{nounAr{"طفل", "طفلان", "ثلاثة أطفال", false, true}, onlySmall, 3},
		{nounAr{"فتاة", "فتاتان", "", true, true}, notLargest, 2},
		{nounAr{"سيدة", "سيدتان", "", true, true}, notSmall, 2},
	},
}

var (
	darkAr   = adjAr{"داكن", "داكنة", "داكنان", "داكنتان"}
	brightAr = adjAr{"فاتح", "فاتحة", "فاتحان", "فاتحتان"}
	pureAr   = adjAr{"ناصع", "ناصعة", "ناصعان", "ناصعتان"}

	everydayColorsAr = func() [NumColors][]adjAr {
		var all [NumColors][]adjAr
		for c := range all {
			all[c] = []adjAr{colorsAr[c], colorsAr[c]}
		}
		regular := func(m string) adjAr { return adjAr{m, m + "ة", m + "ان", m + "تان"} }
		for c, list := range map[Color][]adjAr{
			Red: {regular("قرمزي"), withAr(colorsAr[Red], darkAr)}, Orange: {regular("برتقالي")}, Yellow: {regular("ذهبي")},
			Green: {withAr(colorsAr[Green], darkAr), regular("زمردي")}, Blue: {withAr(colorsAr[Blue], darkAr), regular("كحلي")},
			Purple: {regular("أرجواني"), regular("بنفسجي")}, Pink: {regular("زهري")}, White: {withAr(colorsAr[White], pureAr)},
			Black: {withAr(colorsAr[Black], darkAr)}, Grey: {regular("فضي"), withAr(colorsAr[Grey], brightAr)},
			Brown: {withAr(colorsAr[Brown], darkAr), regular("كستنائي")},
		} {
			all[c] = append(all[c], list...)
		}
		return all
	}()
	everydaySizesAr = [NumSizes][]adjAr{
		Medium: sizesAr[Medium],
		Small:  {sizesAr[Small][0], sizesAr[Small][0], {"صغير جدا", "صغيرة جدا", "صغيران جدا", "صغيرتان جدا"}},
		Large:  {sizesAr[Large][0], sizesAr[Large][1], {"عملاق", "عملاقة", "عملاقان", "عملاقتان"}},
	}

	everydayPlacesAr = [NumPlaces][]string{
		Meadow: {"في المرج", "على العشب", "في الحقل", "في الحديقة", "بين الأعشاب"}, Beach: {"على الشاطئ", "على الرمل", "قرب البحر", "على شاطئ البحر", "على الساحل"},
		Ocean: {"في البحر", "فوق الأمواج", "في عرض البحر", "على الماء"}, City: {"في المدينة", "في الشارع", "بين البيوت", "أمام المباني العالية", "على الطريق"},
		Desert: {"في الصحراء", "على الرمال", "بين الكثبان", "فوق الكثبان"}, Mountains: {"في الجبال", "في الوادي", "بين القمم", "أمام الجبال العالية"},
		Underwater: {"تحت الماء", "في قاع البحر", "تحت البحر", "تحت الأمواج"}, Space: {"في الفضاء", "بين النجوم", "في الكون"},
	}
	pathsAr = [NumPlaces][]string{
		Meadow: {"عبر المرج", "عبر الحقل", "فوق العشب", "قرب الأشجار"}, Beach: {"على طول الشاطئ", "على طول الساحل", "بجانب البحر", "فوق الرمل"},
		Ocean: {"عبر البحر", "عبر المحيط", "فوق الأمواج"}, City: {"عبر المدينة", "على طول الشارع", "بجانب البيوت", "عبر الشوارع"},
		Desert: {"عبر الصحراء", "فوق الرمال", "فوق الكثبان", "بجانب الصبار"}, Mountains: {"عبر الجبال", "على طول الوادي", "بجانب القمم"},
		Underwater: {"فوق قاع البحر", "بجانب المرجان", "عبر أعماق البحر"}, Space: {"عبر الفضاء", "بجانب النجوم", "بجانب الكواكب"},
	}
	everydayTimesAr = [NumDaytimes][]string{
		Day: {"في النهار", "صباحا", "في الصباح", "ظهرا", "بعد الظهر"}, Night: {"ليلا", "في الليل", "في منتصف الليل", "تحت ضوء القمر", "في الظلام"},
		Sunset: {"مساء", "في المساء", "عند الفجر", "عند الشروق", "عند الغروب", "والشمس تغرب", "بينما تغيب الشمس"},
	}
	everydayWeathersAr = [NumWeathers][]string{
		Clear: {"في جو جميل", "تحت سماء صافية", "تحت سماء غائمة", "تحت غيوم بيضاء"}, Rain: {"تحت المطر", "والسماء تمطر", "بينما يهطل المطر", "في المطر"},
		Snow: {"تحت الثلج", "والسماء تثلج", "بينما يتساقط الثلج", "في الشتاء"},
	}
	skiesAr = map[sky][]string{
		{Day, Clear}: {"في يوم مشمس", "تحت أشعة الشمس", "في يوم صاف", "تحت سماء زرقاء", "في يوم غائم"}, {Day, Rain}: {"في يوم ماطر"}, {Day, Snow}: {"في يوم مثلج"},
		{Sunset, Clear}: {"في مساء جميل"}, {Sunset, Rain}: {"في مساء ماطر"}, {Sunset, Snow}: {"في مساء مثلج"},
		{Night, Clear}: {"في ليلة صافية", "تحت النجوم"}, {Night, Rain}: {"في ليلة ماطرة"}, {Night, Snow}: {"في ليلة مثلجة"},
	}
	everydayCamerasAr = [NumCameras][]string{
		Static: {"الكاميرا ثابتة", "الكاميرا لا تتحرك"}, PanLeft: {"الكاميرا تتحرك إلى اليسار", "الكاميرا تنتقل ببطء نحو اليسار"}, PanRight: {"الكاميرا تتحرك إلى اليمين", "الكاميرا تنتقل ببطء نحو اليمين"},
		TiltUp: {"الكاميرا تنظر إلى الأعلى", "الكاميرا ترتفع"}, TiltDown: {"الكاميرا تنظر إلى الأسفل", "الكاميرا تنخفض"},
		ZoomIn: {"الكاميرا تقترب", "تكبير الصورة ببطء"}, ZoomOut: {"الكاميرا تبتعد", "تصغير الصورة ببطء"},
	}

	nearAr = []string{"بجانب", "قرب"}

	goingAr = [numManners + 1][]string{
		walks: {"~مشي", "~مشي", "~ركض", "~جري", "~تجول", "~سير"}, flies: {"~طير", "~حلق"}, swims: {"~سبح", "~عوم"}, drives: {"~سير", "~سرع", "~نطلق"},
		sails: {"~بحر", "~سير"}, rolls: {"~تدحرج"}, floats: {"~طفو", "~حوم"}, numManners: {"~تحرك", "~تقدم"},
	}
	motionsOfAr = [NumMotions][]string{
		MoveUp: {"~صعد", "~رتفع", "~تسلق إلى الأعلى"}, MoveDown: {"~نزل", "~هبط", "~سقط"}, Bounce: {"~قفز", "~نط", "~قفز عاليا"},
		Circle: {"~دور", "~دور في دوائر"}, Approach: {"~قترب", "~قترب منا", "~أتي نحونا"}, Still: {"لا ~تحرك", "~نتظر"},
	}
	motionsByAr = map[Motion]map[manner][]string{
		MoveUp: {flies: {"~قلع", "~طير إلى الأعلى"}}, MoveDown: {flies: {"~هبط"}, swims: {"~غوص"}}, Circle: {walks: {"~ركض في دائرة"}, flies: {"~طير في دائرة"}, swims: {"~سبح في دائرة"}},
		Approach: {walks: {"~مشي نحونا", "~ركض نحونا"}, flies: {"~طير نحونا"}, swims: {"~سبح نحونا"}, drives: {"~سير نحونا"}, sails: {"~بحر نحونا"}},
		Still:    {walks: {"~جلس", "~جلس بلا حركة", "~قف"}, flies: {"~حوم"}, drives: {"~قف"}, floats: {"~حوم"}, rolls: {"~ستقر"}},
	}
	sidesAr = map[Motion][]string{MoveLeft: {"إلى اليسار", "نحو اليسار", "يسارا", "من اليمين إلى اليسار"}, MoveRight: {"إلى اليمين", "نحو اليمين", "يمينا", "من اليسار إلى اليمين"}}
)

// withAr puts two adjectives side by side in every form.
func withAr(a, b adjAr) adjAr {
	return adjAr{a.m + " " + b.m, a.f + " " + b.f, a.m2 + " " + b.m2, a.f2 + " " + b.f2}
}

// everydayActorAr chooses the words for one actor.
func everydayActorAr(f *facts, i int, genitive bool, r *rng) (string, agreement) {
	a := f.Actors[i]
	list := everydayNounsAr[a.Subject]
	n := pick(r, list)
	for !n.of.has(a.Size) || a.Count > n.most {
		n = pick(r, list)
	}
	return tellActorAr(f, i, n.nounAr, pick(r, everydaySizesAr[a.Size]), pick(r, everydayColorsAr[a.Color]), genitive, r)
}

func everydayVerbAr(f *facts, m Motion, a agreement, r *rng) string {
	way := f.way()
	var verb string
	switch {
	case f.pansAt(m):
		verb = pick(r, goingAr[way])
	case !m.sideways():
		list := motionsOfAr[m]
		if more := motionsByAr[m][way]; more != nil && r.chance(0.55) {
			list = more
		}
		verb = pick(r, list)
	default:
		verb = pick(r, goingAr[way])
		if f.direction {
			verb += " " + pick(r, sidesAr[m])
		}
	}
	return a.bend(verb)
}

func everydayDoesAr(f *facts, a agreement, r *rng) string {
	first := everydayVerbAr(f, f.Events[0], a, r)
	if len(f.Events) == 1 {
		return first
	}
	return first + pick(r, []string{" ثم ", "، ثم ", "، وبعدها "}) + everydayVerbAr(f, f.Events[1], a, r)
}

// everydayAr composes a caption.
func everydayAr(f *facts, r *rng) string {
	var set []string
	if f.place {
		list := everydayPlacesAr[f.Place]
		if goes := f.Events[0].sideways() || f.pansAt(f.Events[0]); goes && len(f.Events) == 1 && r.chance(0.6) {
			list = pathsAr[f.Place]
		}
		set = append(set, pick(r, list))
	}
	deep := f.Place == Underwater || f.Place == Space
	if f.time && (f.weather || f.Weather == Clear && r.chance(0.3)) && !deep && r.chance(0.6) {
		set = append(set, pick(r, skiesAr[sky{f.Time, f.Weather}]))
	} else {
		if f.time {
			set = append(set, pick(r, everydayTimesAr[f.Time]))
		}
		if f.weather {
			set = append(set, pick(r, everydayWeathersAr[f.Weather]))
		}
	}
	group, it := everydayGroupAr(f, r)
	text := join(" ", append([]string{group}, set...)...)
	if n := len(set); n > 1 && !strings.HasPrefix(set[n-1], "و") && !strings.HasPrefix(set[n-1], "بينما") && r.chance(0.35) {
		text = set[n-1] + "، " + join(" ", append([]string{group}, slices.Clone(set[:n-1])...)...)
	}
	stop := pick(r, []string{".", ".", ".", ""})
	switch {
	case f.command:
		return text + stop + " [" + pick(r, commands[f.Camera]) + "]"
	case !f.camera:
		return text + stop
	}
	camera := pick(r, everydayCamerasAr[f.Camera])
	if f.followed() && r.chance(0.4) {
		camera = pick(r, []string{"الكاميرا تتبع" + it, "الكاميرا تتابع" + it})
	}
	switch r.intn(4) {
	case 0:
		return camera + ". " + text + stop
	case 1:
		return text + "، و" + camera + stop
	}
	return text + ". " + camera + stop
}

// everydayGroupAr returns who does what, and the pronoun for the group.
func everydayGroupAr(f *facts, r *rng) (text, it string) {
	a, agree := everydayActorAr(f, 0, false, r)
	if len(f.Actors) == 1 {
		it = map[string]string{"ي": "ه", "ت": "ها"}[agree.prefix]
		switch agree.suffix {
		case "ان":
			it = "هما"
		case "ون":
			it = "هم"
		}
		if len(f.Events) == 1 && f.Events[0] != Still && r.chance(0.25) { // a verb before its subject is singular
			verb, rest, _ := strings.Cut(everydayDoesAr(f, agreement{agree.prefix, ""}, r), " ")
			return join(" ", verb, a, rest), it
		}
		return a + " " + everydayDoesAr(f, agree, r), it
	}
	b, other := everydayActorAr(f, 1, true, r)
	rel := pick(r, relationsAr[f.Relation])
	if (f.Relation == LeftOf || f.Relation == RightOf) && r.chance(0.4) {
		rel = pick(r, nearAr)
	}
	text = a + " " + rel + " " + b
	if f.Actors[0].Count == 1 && f.Actors[1].Count == 1 {
		both := agreement{"ي", "ان"}
		if agree.prefix == "ت" && other.prefix == "ت" {
			both.prefix = "ت"
		}
		return text + "، وهما " + everydayDoesAr(f, both, r), "هما"
	}
	return text + "، والجميع " + everydayDoesAr(f, agreement{"ي", ""}, r), "هم"
}
