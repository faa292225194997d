package world

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// relatedTable maps words that no caption has to the nearest known word. Each
// line is the known word, followed by the words that it stands in for.
const relatedTable = `
cat tiger lion panther leopard lynx cheetah puma jaguar feline mouse rat hamster squirrel rabbit bunny hare
dog wolf fox bear horse pony cow sheep goat pig donkey deer coyote poodle terrier labrador corgi canine foal calf lamb zebra
bird eagle hawk owl parrot duck swan goose seagull gull crow raven robin dove chicken hen rooster penguin flamingo stork bat
fish shark whale dolphin salmon goldfish carp trout seal
car truck lorry bus van jeep tractor motorcycle motorbike bike bicycle ambulance limousine carriage racecar
boat canoe kayak raft submarine ferry steamer dinghy rowboat gondola vessel
train tram subway metro wagon railway
rocket airplane aeroplane plane aircraft jet missile ufo satellite shuttle helicopter
balloon blimp airship zeppelin kite parachute
butterfly bee dragonfly ladybug ladybird insect bug wasp beetle
ball basketball marble bowling sphere globe
person human he she baby toddler astronaut king queen prince princess knight soldier wizard teacher doctor farmer dancer pirate mother father brother sister grandmother grandfather husband wife friend robot
red ruby maroon burgundy cherry blood
orange amber apricot peach
yellow lemon blonde amber
green lime olive mint turquoise teal
blue navy azure cyan cobalt sapphire indigo
purple lavender lilac magenta mauve plum
pink fuchsia salmon
white ivory cream
black ebony charcoal
grey ash
brown beige bronze copper tan khaki hazel
meadow lawn garden prairie pasture forest woods woodland jungle farm grassland savanna
beach island bay harbor harbour port pier
ocean lake river pond pool stream lagoon waterfall canal
city village building skyscraper bridge highway alley suburb market square
desert sahara wasteland canyon
mountains cliff volcano glacier alps ridge
underwater reef aquarium
space galaxy cosmos orbit mars nebula
sunset sundown
day lunchtime breakfast
night nighttime nightfall starlight
rain storm thunderstorm thunder drizzle downpour
snow blizzard ice frost hail
jump bound prance
run sprint gallop chase rush
walk crawl tiptoe limp pace
fly hovercraft levitate
swim bathe wade snorkel
circle spin rotate whirl orbit twirl
still sleep sleeping freeze motionless idle
猫 老虎 虎 狮子 豹 豹子 兔子 老鼠 松鼠
狗 狼 狐狸 熊 马 牛 羊 猪 鹿 驴
鸟 鹰 老鹰 鸭子 鸭 鸡 天鹅 鹅 鸽子 乌鸦 猫头鹰 企鹅 鹦鹉
鱼 鲨鱼 鲸鱼 鲸 海豚 金鱼
汽车 卡车 公交车 公共汽车 摩托车 自行车 巴士 货车 出租车
船 潜艇 渡轮 独木舟
火车 地铁 高铁 电车
火箭 飞机 直升机 卫星 航天飞机
气球 风筝 飞艇 降落伞
蝴蝶 蜜蜂 蜻蜓 昆虫 瓢虫
球 篮球 排球 网球
人 宝宝 婴儿 国王 公主 士兵 医生 老师 老人 爸爸 妈妈 朋友 机器人 宇航员
草地 花园 森林 树林 农场
海滩 岛 岛屿 海湾 港口
海面 湖 湖泊 河 河流 江 池塘
城市 村庄 村子 桥 大桥
山里 火山 悬崖
雨 暴雨 雷雨 闪电 台风
雪 暴风雪 冰
قطة نمر أسد فهد أرنب فأر
كلب ذئب ثعلب دب حصان بقرة خروف ماعز حمار غزال
طائر نسر صقر بومة بطة ديك دجاجة ببغاء غراب
سمكة قرش حوت دلفين
سيارة شاحنة حافلة دراجة جرار
قارب غواصة يخت عبارة
قطار مترو ترام
صاروخ طائرة مروحية مكوك
منطاد مظلة
فراشة نحلة حشرة يعسوب
شخص ملك ملكة أمير أميرة جندي طبيب معلم رضيع أب أم صديق روبوت
المرج غابة بستان مزرعة
الشاطئ جزيرة ميناء خليج
البحر بحيرة نهر بركة
المدينة قرية جسر مبنى برج
الجبال بركان تل
المطر عاصفة رعد برق
الثلج جليد
`

// related maps, for each edition, a folded word to the known one.
var related = sync.OnceValue(func() (all [Newest + 1]map[string]string) {
	first := map[string]string{}
	addLines(first, firstTable)
	addForms(first)
	for e := range all {
		all[e] = map[string]string{}
	}
	addLines(all[EverydayEdition], relatedTable)
	for word, near := range all[EverydayEdition] {
		if !FirstEdition.lexicon(langOf(near)).known[fold(near)] { // charcoal is black, whose nearest is blue
			near = first[fold(near)]
		}
		if near != "" {
			all[FirstEdition][word] = near
		}
	}
	maps.Copy(all[FirstEdition], first)
	return all
})

// addLines adds the lines of a table to m: each word of a line but the first
// maps to the first.
func addLines(m map[string]string, table string) {
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		for i, w := range words {
			if _, taken := m[fold(w)]; i > 0 && !taken {
				m[fold(w)] = words[0]
			}
		}
	}
}

// langOf returns the language of a word, judged by its script.
func langOf(word string) Lang {
	switch scriptOf([]rune(word)[0]) {
	case 2:
		return Zh
	case 3:
		return Ar
	}
	return En
}

// Nearest returns the word nearest to one that [Edition.UnknownWords] lists, of
// those that the edition knows: a related word, or the correction of a typing
// error. It is empty if there is none.
func (e Edition) Nearest(word string) string {
	e = e.known()
	w := []rune(fold(word))
	if len(w) == 0 || len(w) > 40 {
		return ""
	}
	switch scriptOf(w[0]) {
	case 1:
		return e.nearestOf(w, En, singularsEn(string(w)))
	case 2: // a run of unknown words: the longest that is in the table
		for n := len(w); n > 0; n-- {
			for i := range len(w) - n + 1 {
				if near := related()[e][string(w[i:i+n])]; near != "" {
					return near
				}
			}
		}
	case 3:
		return e.nearestOf(w, Ar, bareAr(string(w)))
	}
	return ""
}

// nearestOf looks forms of a word up in the table, then tries corrections.
func (e Edition) nearestOf(w []rune, lang Lang, forms []string) string {
	for _, form := range forms {
		if near := related()[e][form]; near != "" {
			return near
		}
	}
	return e.unslipped(w, lang)
}

// singularsEn returns a word, and the words that it may be the plural of.
func singularsEn(w string) []string {
	list := []string{w}
	if one, ok := strings.CutSuffix(w, "s"); ok {
		list = append(list, one, strings.TrimSuffix(one, "e"))
	}
	if one, ok := strings.CutSuffix(w, "ves"); ok { // wolves
		list = append(list, one+"f")
	}
	if one, ok := strings.CutSuffix(w, "ies"); ok { // bunnies
		list = append(list, one+"y")
	}
	return list
}

// bareAr returns a word, and the word without each prefix that it may have.
func bareAr(w string) []string {
	list := []string{w}
	for _, p := range prefixesAr {
		if rest, ok := strings.CutPrefix(w, p); ok {
			list = append(list, rest)
		}
	}
	return list
}

// contents are the words of each edition and language that name things, folded,
// each with its spelling. Corrections are chosen from them.
var contents = sync.OnceValue(func() (all [Newest + 1][NumLangs]map[string]string) {
	for e := range all {
		for lang := range Lang(NumLangs) {
			all[e][lang] = map[string]string{}
		}
		for _, kind := range Edition(e).Vocabulary() {
			for _, v := range kind.Values {
				for lang := range Lang(NumLangs) {
					addContents(all[e][lang], v.Words[lang.String()])
				}
			}
		}
		var plurals []string
		for subject := range nounsEn {
			switch Edition(e) {
			case FirstEdition:
				for _, n := range nounsEn[subject] {
					plurals = append(plurals, n[1])
				}
			case EverydayEdition:
				for _, n := range everydayNounsEn[subject] {
					plurals = append(plurals, n.many)
				}
			}
		}
		for _, w := range strings.Fields(strings.Join(plurals, " ")) {
			all[e][En][fold(w)] = w
		}
	}
	return all
})

// grammarEn are words that do not name anything.
var grammarEn = strings.Fields("with from over through towards toward past along where while when that near them they there front most than into some be")

// addContents adds the longer words of phrases to m.
func addContents(m map[string]string, phrases []string) {
	for _, phrase := range phrases {
		for _, w := range splitWords(phrase) {
			if f := fold(w); len([]rune(f)) >= 4 && !slices.Contains(grammarEn, f) {
				m[f] = w
			}
		}
	}
}

// unslipped returns the known word that a word of at least four letters is one
// error away from, or a word of at least eight letters is two errors away from.
// An error is a letter too many, a missing letter, a wrong letter, or two
// swapped letters. The first letter must be right, unless the two words have the
// same letters in another order.
func (e Edition) unslipped(w []rune, lang Lang) string {
	if len(w) < 4 {
		return ""
	}
	most := 1
	if len(w) >= 8 {
		most = 2
	}
	best, found := most+1, ""
	for _, known := range sortedKeys(contents()[e][lang]) {
		k := []rune(known)
		if k[0] != w[0] && !slices.Equal(sorted(k), sorted(w)) || len(k)-len(w) > most || len(w)-len(k) > most {
			continue
		}
		if d := slips(w, k); d < best {
			best, found = d, contents()[e][lang][known]
		}
	}
	return found
}

func sorted(w []rune) []rune { return slices.Sorted(slices.Values(w)) }

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// slips is the edit distance of two words, where two swapped neighbours count
// once (Damerau 1964, optimal string alignment).
func slips(a, b []rune) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		two, last, row := rows[(i+2)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
