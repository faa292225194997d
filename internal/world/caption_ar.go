package world

import "strings"

// nounAr is a subject's noun in three numbers: one, two (nominative) and three,
// with the numeral, and its gender.
type nounAr struct {
	one, two, three string
	feminine        bool
	person          bool
}

var nounsAr = [NumSubjects][]nounAr{
	Cat:        {{"قطة", "قطتان", "ثلاث قطط", true, false}},
	Dog:        {{"كلب", "كلبان", "ثلاثة كلاب", false, false}},
	Bird:       {{"طائر", "طائران", "ثلاثة طيور", false, false}, {"عصفور", "عصفوران", "ثلاثة عصافير", false, false}},
	Fish:       {{"سمكة", "سمكتان", "ثلاث سمكات", true, false}},
	Car:        {{"سيارة", "سيارتان", "ثلاث سيارات", true, false}},
	Boat:       {{"قارب", "قاربان", "ثلاثة قوارب", false, false}, {"مركب", "مركبان", "ثلاثة مراكب", false, false}},
	SteamTrain: {{"قطار", "قطاران", "ثلاثة قطارات", false, false}},
	Rocket:     {{"صاروخ", "صاروخان", "ثلاثة صواريخ", false, false}},
	Balloon:    {{"منطاد", "منطادان", "ثلاثة مناطيد", false, false}, {"بالون", "بالونان", "ثلاثة بالونات", false, false}},
	Butterfly:  {{"فراشة", "فراشتان", "ثلاث فراشات", true, false}},
	Ball:       {{"كرة", "كرتان", "ثلاث كرات", true, false}},
	Person:     {{"شخص", "شخصان", "ثلاثة أشخاص", false, true}},
}

// adjAr is an adjective: masculine, feminine (also for several things), and
// the two duals.
type adjAr struct{ m, f, m2, f2 string }

var (
	colorsAr = [NumColors]adjAr{
		Red: {"أحمر", "حمراء", "أحمران", "حمراوان"}, Orange: {"برتقالي", "برتقالية", "برتقاليان", "برتقاليتان"},
		Yellow: {"أصفر", "صفراء", "أصفران", "صفراوان"}, Green: {"أخضر", "خضراء", "أخضران", "خضراوان"},
		Blue: {"أزرق", "زرقاء", "أزرقان", "زرقاوان"}, Purple: {"بنفسجي", "بنفسجية", "بنفسجيان", "بنفسجيتان"},
		Pink: {"وردي", "وردية", "ورديان", "ورديتان"}, White: {"أبيض", "بيضاء", "أبيضان", "بيضاوان"},
		Black: {"أسود", "سوداء", "أسودان", "سوداوان"}, Grey: {"رمادي", "رمادية", "رماديان", "رماديتان"}, Brown: {"بني", "بنية", "بنيان", "بنيتان"},
	}
	sizesAr = [NumSizes][]adjAr{
		Medium: {{"متوسط الحجم", "متوسطة الحجم", "متوسطا الحجم", "متوسطتا الحجم"}},
		Small:  {{"صغير", "صغيرة", "صغيران", "صغيرتان"}},
		Large:  {{"كبير", "كبيرة", "كبيران", "كبيرتان"}, {"ضخم", "ضخمة", "ضخمان", "ضخمتان"}},
	}
	manyPeopleAr = [NumSizes]string{Medium: "متوسطو الحجم", Small: "صغار", Large: "كبار"}

	placesAr = [NumPlaces][]string{
		Meadow: {"في المرج", "في مرج واسع", "على العشب"}, Beach: {"على الشاطئ", "على شاطئ رملي", "على شاطئ البحر"},
		Ocean: {"في المحيط", "على سطح المحيط", "في عرض البحر"}, City: {"في المدينة", "في شوارع المدينة", "وسط المدينة"},
		Desert: {"في الصحراء", "وسط الصحراء", "بين الكثبان"}, Mountains: {"في الجبال", "بين الجبال", "أمام الجبال"},
		Underwater: {"تحت الماء", "في أعماق البحر", "تحت سطح البحر"}, Space: {"في الفضاء", "في الفضاء الخارجي"},
	}
	timesAr = [NumDaytimes][]string{
		Day: {"في النهار", "نهارا", "في وضح النهار"}, Sunset: {"عند الغروب", "وقت الغروب", "عند غروب الشمس"}, Night: {"في الليل", "ليلا", "أثناء الليل"},
	}
	weathersAr = [NumWeathers][]string{
		Clear: {"والسماء صافية", "تحت سماء صافية", "في جو صاف"}, Rain: {"تحت المطر", "والمطر ينهمر", "في جو ماطر"}, Snow: {"تحت الثلج", "والثلج يتساقط", "في جو مثلج"},
	}
	relationsAr = [NumRelations][]string{
		LeftOf: {"على يسار", "إلى يسار"}, RightOf: {"على يمين", "إلى يمين"}, Above: {"فوق"}, Below: {"تحت", "أسفل"},
	}
	camerasAr = [NumCameras][]string{
		Static:   {"الكاميرا ثابتة", "الكاميرا لا تتحرك", "لقطة ثابتة"},
		PanLeft:  {"الكاميرا تدور إلى اليسار", "تنتقل الكاميرا نحو اليسار", "الكاميرا تتحرك يسارا"},
		PanRight: {"الكاميرا تدور إلى اليمين", "تنتقل الكاميرا نحو اليمين", "الكاميرا تتحرك يمينا"},
		TiltUp:   {"الكاميرا تميل إلى الأعلى", "ترتفع الكاميرا إلى الأعلى", "الكاميرا تنظر إلى الأعلى"},
		TiltDown: {"الكاميرا تميل إلى الأسفل", "تنخفض الكاميرا إلى الأسفل", "الكاميرا تنظر إلى الأسفل"},
		ZoomIn:   {"الكاميرا تقرب الصورة", "تقريب الصورة", "تكبير الصورة"},
		ZoomOut:  {"الكاميرا تبعد الصورة", "إبعاد الصورة", "تصغير الصورة"},
	}
)

// Verbs are stems that follow the prefix of the person: ~تحرك is يتحرك for him
// and تتحرك for her. Every stem here takes ان and ون without change.
var (
	mannersAr = [numManners + 1][]string{
		walks: {"~سير", "~ركض"}, flies: {"~طير"}, swims: {"~سبح"}, drives: {"~سير", "~نطلق"}, sails: {"~بحر"},
		rolls: {"~تدحرج"}, floats: {"~طفو"}, numManners: {"~تحرك", "~نتقل"},
	}
	motionsAr = [NumMotions][]string{
		MoveLeft:  {"@ إلى اليسار", "@ نحو اليسار", "@ من اليمين إلى اليسار", "~تحرك يسارا"},
		MoveRight: {"@ إلى اليمين", "@ نحو اليمين", "@ من اليسار إلى اليمين", "~تحرك يمينا"},
		MoveUp:    {"~رتفع", "~صعد إلى الأعلى", "~تحرك إلى الأعلى", "~رتفع نحو الأعلى"},
		MoveDown:  {"~هبط", "~نزل إلى الأسفل", "~تحرك إلى الأسفل", "~هبط نحو الأسفل"},
		Bounce:    {"~قفز", "~قفز إلى الأعلى والأسفل", "~قفز مرارا", "~نط"},
		Circle:    {"~دور في دائرة", "@ في دائرة", "~دور في حلقات"},
		Approach:  {"~قترب", "~قترب من الكاميرا", "~قترب منا", "~تقدم نحو الكاميرا"},
		Still:     {"لا ~تحرك", "~قف بلا حركة", "~ظل بلا حركة"},
	}
)

// agreement is how a verb is inflected: ي or ت before it, ان or ون after it.
type agreement struct{ prefix, suffix string }

// bend inflects the verbs of a phrase.
func (a agreement) bend(phrase string) string {
	words := strings.Fields(phrase)
	for i, w := range words {
		if stem, ok := strings.CutPrefix(w, "~"); ok {
			if a.suffix == "ون" { // يمشي, يمشون
				stem = strings.TrimSuffix(stem, "ي")
			}
			words[i] = a.prefix + stem + a.suffix
		}
	}
	return strings.Join(words, " ")
}

// actorAr returns "قطة حمراء صغيرة" and the agreement of a verb after it. After
// a preposition (genitive) the dual changes its ending.
func actorAr(f *facts, i int, genitive bool, r *rng) (string, agreement) {
	a := f.Actors[i]
	n := pick(r, nounsAr[a.Subject])
	return tellActorAr(f, i, n, pick(r, sizesAr[a.Size]), colorsAr[a.Color], genitive, r)
}

// tellActorAr composes the words for an actor.
func tellActorAr(f *facts, i int, n nounAr, size, color adjAr, genitive bool, r *rng) (string, agreement) {
	a := f.Actors[i]
	agree := agreement{"ي", ""}
	form := func(x adjAr) string { return x.m }
	noun := n.one
	switch {
	case a.Count == 2:
		noun, agree.suffix = n.two, "ان"
		form = func(x adjAr) string { return x.m2 }
		if n.feminine {
			agree.prefix = "ت"
			form = func(x adjAr) string { return x.f2 }
		}
	case a.Count == 3:
		noun, agree.prefix = n.three, "ت"
		form = func(x adjAr) string { return x.f }
		if n.person {
			agree = agreement{"ي", "ون"}
			form = func(adjAr) string { return manyPeopleAr[a.Size] }
		}
	case n.feminine:
		agree.prefix = "ت"
		form = func(x adjAr) string { return x.f }
	}
	words := []string{noun}
	paint := form(color)
	if n.person {
		paint = pick(r, []string{"بملابس", "في ثياب"}) + " " + color.f
	}
	told := ""
	if f.size[i] {
		told = form(size)
	}
	if n.person || r.chance(0.4) {
		words = append(words, told, paint)
	} else {
		words = append(words, paint, told)
	}
	text := strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	if genitive {
		text = genitiveAr(text, a.Count)
	}
	return text, agree
}

// genitiveAr changes the endings that are visible in writing: the dual's ان
// becomes ين.
func genitiveAr(text string, count int) string {
	if count != 2 {
		return strings.Replace(text, "متوسطو", "متوسطي", 1)
	}
	words := strings.Fields(text)
	for i, w := range words {
		if stem, ok := strings.CutSuffix(w, "ان"); ok {
			words[i] = stem + "ين"
		}
		switch w {
		case "متوسطا":
			words[i] = "متوسطي"
		case "متوسطتا":
			words[i] = "متوسطتي"
		}
	}
	return strings.Join(words, " ")
}

func eventsAr(f *facts, a agreement, r *rng) string {
	verb := func(m Motion) string {
		return a.bend(strings.Replace(pick(r, motionsAr[m]), "@", pick(r, mannersAr[f.joint()]), 1))
	}
	first := verb(f.Events[0])
	if len(f.Events) == 1 {
		return first
	}
	second := verb(f.Events[1])
	switch r.intn(3) {
	case 0:
		return "أولا " + first + " ثم " + second
	case 1:
		return first + " ثم " + second
	}
	return first + "، وبعد ذلك " + second
}

// groupAr returns who does what.
func groupAr(f *facts, r *rng) string {
	a, agree := actorAr(f, 0, false, r)
	if len(f.Actors) == 1 {
		if len(f.Events) == 1 && f.Events[0] != Still && r.chance(0.3) { // a verb before its subject is singular
			phrase := eventsAr(f, agreement{agree.prefix, ""}, r)
			verb, rest, _ := strings.Cut(phrase, " ")
			return strings.TrimSpace(verb + " " + a + " " + rest)
		}
		return a + " " + eventsAr(f, agree, r)
	}
	b, other := actorAr(f, 1, true, r)
	text := a + " " + pick(r, relationsAr[f.Relation]) + " " + b
	if f.Actors[0].Count == 1 && f.Actors[1].Count == 1 {
		both := agreement{"ي", "ان"}
		if agree.prefix == "ت" && other.prefix == "ت" {
			both.prefix = "ت"
		}
		return text + "، وهما " + eventsAr(f, both, r)
	}
	return text + "، والجميع " + eventsAr(f, agreement{"ي", ""}, r)
}

func captionAr(f facts, r *rng) string {
	var set []string
	if f.place {
		set = append(set, pick(r, placesAr[f.Place]))
	}
	if f.time {
		set = append(set, pick(r, timesAr[f.Time]))
	}
	shuffle(r, set)
	if f.weather {
		set = append(set, pick(r, weathersAr[f.Weather]))
	}
	group := groupAr(&f, r)
	var text string
	if len(set) > 1 && r.chance(0.4) {
		text = set[0] + "، " + group + " " + strings.Join(set[1:], " ")
	} else {
		text = strings.TrimSpace(group + " " + strings.Join(set, " "))
	}
	text += "."
	switch {
	case f.command && r.chance(0.4):
		return "[" + pick(r, commands[f.Camera]) + "] " + text
	case f.command:
		return text + " [" + pick(r, commands[f.Camera]) + "]"
	case !f.camera:
		return text
	case r.chance(0.25):
		return pick(r, camerasAr[f.Camera]) + ". " + text
	}
	return text + " " + pick(r, camerasAr[f.Camera]) + "."
}
