package world

import "strings"

// nounZh is an everyday noun with its measure word and the sizes that it is
// used for.
type nounZh struct {
	measure, name string
	of            sizeSet
}

var everydayNounsZh = [NumSubjects][]nounZh{
	Cat:        {{"只", "猫", anySize}, {"只", "猫咪", anySize}, {"只", "小猫", onlySmall}, {"只", "小猫咪", onlySmall}, {"只", "大猫", onlyLarge}},
	Dog:        {{"只", "狗", anySize}, {"条", "狗", anySize}, {"只", "小狗", onlySmall}, {"只", "狗狗", anySize}, {"条", "大狗", onlyLarge}},
	Bird:       {{"只", "鸟", anySize}, {"只", "小鸟", onlySmall}, {"只", "鸟儿", anySize}, {"只", "麻雀", onlySmall}, {"只", "大鸟", onlyLarge}},
	Fish:       {{"条", "鱼", anySize}, {"条", "小鱼", onlySmall}, {"条", "大鱼", onlyLarge}},
	Car:        {{"辆", "汽车", anySize}, {"辆", "车", anySize}, {"辆", "小汽车", onlySmall}, {"辆", "轿车", anySize}, {"辆", "车子", anySize}},
	Boat:       {{"艘", "船", anySize}, {"条", "小船", onlySmall}, {"艘", "大船", onlyLarge}, {"艘", "帆船", anySize}, {"艘", "轮船", notSmall}},
	SteamTrain: {{"列", "火车", anySize}, {"列", "列车", anySize}, {"列", "蒸汽火车", anySize}, {"列", "小火车", onlySmall}},
	Rocket:     {{"枚", "火箭", anySize}, {"艘", "飞船", anySize}, {"艘", "宇宙飞船", anySize}},
	Balloon:    {{"个", "气球", anySize}, {"个", "热气球", anySize}}, Butterfly: {{"只", "蝴蝶", anySize}, {"只", "小蝴蝶", onlySmall}},
	Ball: {{"个", "球", anySize}, {"个", "皮球", anySize}, {"个", "足球", anySize}, {"个", "小球", onlySmall}, {"个", "大球", onlyLarge}},
	Person: {
		{"个", "人", anySize},
		{"个", "男人", notSmall},
		{"个", "女人", notSmall},
		{"个", "男孩", notLargest},
		{"个", "女孩", notLargest},
		{"个", "小孩", onlySmall},
		{"个", "孩子", onlySmall},
		{"位", "先生", notSmall},
		{"位", "女士", notSmall},
	},
}

var (
	everydayColorsZh = [NumColors][]string{ // as in …的
		Red: {"红色", "红", "鲜红色", "深红色"}, Orange: {"橙色", "橘色", "橘黄色", "橙"}, Yellow: {"黄色", "黄", "金色", "金黄色"},
		Green: {"绿色", "绿", "翠绿色", "深绿色"}, Blue: {"蓝色", "蓝", "深蓝色", "宝蓝色"}, Purple: {"紫色", "紫", "深紫色"},
		Pink: {"粉色", "粉红色", "粉", "桃红色"}, White: {"白色", "白", "雪白", "洁白"}, Black: {"黑色", "黑", "漆黑", "乌黑"},
		Grey: {"灰色", "灰", "银灰色", "浅灰色"}, Brown: {"棕色", "棕", "褐色", "咖啡色", "深棕色"},
	}
	everydaySizesZh = [NumSizes][]string{Medium: {"中等大小的", "普通大小的"}, Small: {"小小的", "很小的", "小", "小"}, Large: {"大大的", "很大的", "大", "巨大的"}}

	everydayPlacesZh = [NumPlaces][]string{ // as in 在…
		Meadow: {"草地上", "草丛里", "田野里", "公园里", "原野上"}, Beach: {"海边", "沙滩上", "海滩上", "岸边"}, Ocean: {"海上", "大海上", "海浪上", "水面上"},
		City: {"城里", "街上", "马路上", "市中心", "高楼前", "城市里"}, Desert: {"沙漠里", "沙丘上", "沙丘之间"}, Mountains: {"山间", "山里", "山谷里", "雪山前", "山上"},
		Underwater: {"水底", "海底", "深海里", "水下", "水里"}, Space: {"太空中", "太空里", "星空中", "星星之间", "宇宙里"},
	}
	pathsZh = [NumPlaces][]string{
		Meadow: {"穿过草地", "穿过田野", "沿着草地", "经过大树"}, Beach: {"沿着海滩", "沿着海边", "沿着海岸", "穿过沙滩"}, Ocean: {"穿过大海", "越过海浪", "沿着海面"},
		City: {"穿过城市", "沿着街道", "经过高楼", "沿着马路"}, Desert: {"穿过沙漠", "越过沙丘", "经过仙人掌"}, Mountains: {"穿过群山", "越过高山", "沿着山谷"},
		Underwater: {"穿过深海", "沿着海底", "经过珊瑚"}, Space: {"穿过太空", "穿过星空", "经过星球"},
	}
	everydayTimesZh = [NumDaytimes][]string{
		Day: {"白天", "早上", "上午", "中午", "下午"}, Sunset: {"傍晚", "黄昏", "日落", "日落时分", "太阳下山时", "太阳下山", "清晨", "黎明", "日出时", "夕阳下"},
		Night: {"夜晚", "晚上", "半夜", "月光下", "深夜", "夜里"},
	}
	everydayWeathersZh = [NumWeathers][]string{
		Clear: {"天气很好", "天气晴朗", "天上有白云", "多云"}, Rain: {"下雨了", "下着雨", "在雨中", "雨天", "下着大雨"}, Snow: {"下雪了", "下着雪", "在雪中", "雪天", "雪花飘落"},
	}
	skiesZh = map[sky][]string{
		{Day, Clear}: {"阳光明媚", "晴朗的白天", "在阳光下", "大晴天", "蓝天白云"}, {Day, Rain}: {"下雨的白天"}, {Day, Snow}: {"下雪的白天", "冬天的白天"},
		{Sunset, Clear}: {"晴朗的傍晚"}, {Sunset, Rain}: {"下雨的傍晚"}, {Sunset, Snow}: {"下雪的傍晚"},
		{Night, Clear}: {"晴朗的夜晚", "在星空下"}, {Night, Rain}: {"下雨的夜晚", "雨夜"}, {Night, Snow}: {"下雪的夜晚", "雪夜"},
	}
	everydayCamerasZh = [NumCameras][]string{
		Static: {"镜头不动", "固定镜头", "镜头静止"}, PanLeft: {"镜头向左移", "镜头往左摇", "镜头慢慢向左移动"}, PanRight: {"镜头向右移", "镜头往右摇", "镜头慢慢向右移动"},
		TiltUp: {"镜头往上摇", "镜头向上移", "镜头抬起"}, TiltDown: {"镜头往下摇", "镜头向下移", "镜头压低"},
		ZoomIn: {"镜头推近", "镜头慢慢推近", "镜头靠近", "镜头放大"}, ZoomOut: {"镜头拉远", "镜头慢慢拉远", "镜头后退", "镜头缩小"},
	}

	nearZh = []string{"旁边", "的旁边"}

	goingZh = [numManners + 1][]string{ // without a direction
		walks: {"散步", "奔跑", "走路", "跑步", "慢慢走", "飞奔"}, flies: {"飞翔", "飞行", "飞"}, swims: {"游泳", "游动", "游"}, drives: {"行驶", "飞驰", "前行"},
		sails: {"航行", "行驶", "前行"}, rolls: {"滚动", "滚"}, floats: {"飘动", "飘", "飘浮"}, numManners: {"前进", "移动"},
	}
	stepsZh = [numManners + 1][]string{ // after a direction
		walks: {"走", "跑", "走去", "跑去"}, flies: {"飞", "飞去"}, swims: {"游", "游去"}, drives: {"开", "行驶", "开去"}, sails: {"航行", "开"},
		rolls: {"滚", "滚去"}, floats: {"飘", "飘去"}, numManners: {"移动", "前进"},
	}
	sidesZh     = map[Motion][]string{MoveLeft: {"向左", "往左", "朝左边", "从右往左"}, MoveRight: {"向右", "往右", "朝右边", "从左往右"}}
	motionsOfZh = [NumMotions][]string{
		MoveUp: {"上升", "往上升", "向上爬", "爬升", "升起来"}, MoveDown: {"下降", "往下降", "落下来", "往下落"}, Bounce: {"跳", "跳跃", "跳起来", "蹦跳", "上下跳"},
		Circle: {"绕圈", "转圈", "打转", "绕来绕去"}, Approach: {"靠近", "向我们走来", "朝镜头过来", "越来越近"}, Still: {"不动", "等着", "停着", "休息"},
	}
	motionsByZh = map[Motion]map[manner][]string{
		MoveUp:   {flies: {"起飞", "飞上天空", "往上飞"}, floats: {"飘上天空", "往上飘"}, swims: {"往上游"}},
		MoveDown: {flies: {"降落", "往下飞"}, floats: {"往下飘", "降落"}, swims: {"往下游", "下潜"}},
		Circle:   {walks: {"绕圈跑"}, flies: {"盘旋", "绕圈飞"}, swims: {"绕圈游"}, drives: {"绕圈开"}},
		Approach: {walks: {"向我们走来", "向镜头跑来"}, flies: {"向我们飞来"}, swims: {"向我们游来"}, drives: {"向我们开来"}, sails: {"向我们开来"}, rolls: {"向我们滚来"}, floats: {"向我们飘来"}},
		Still:    {walks: {"坐着", "坐着不动", "站着", "站着不动"}, flies: {"悬停", "停在空中"}, drives: {"停着", "停在那里"}, sails: {"停泊", "停着"}, floats: {"悬停", "停在空中"}},
	}
)

func everydayActorZh(f *facts, i int, r *rng) string {
	a := f.Actors[i]
	list := everydayNounsZh[a.Subject]
	n := pick(r, list)
	for !n.of.has(a.Size) {
		n = pick(r, list)
	}
	color, size := pick(r, everydayColorsZh[a.Color]), ""
	if f.size[i] && !strings.HasPrefix(n.name, "小") && !strings.HasPrefix(n.name, "大") {
		size = pick(r, everydaySizesZh[a.Size])
	}
	head := countZh[a.Count] + n.measure
	if r.chance(0.08) && a.Count == 1 {
		head = "" // 小狗在海滩上跑
	}
	if !strings.HasSuffix(size, "的") && size != "" {
		size = ""
		head += "很" + map[Size]string{Small: "小", Large: "大"}[a.Size] + "的"
	}
	if a.Subject == Person {
		clothes := pick(r, []string{"衣服", "外套", "大衣"})
		return head + size + "穿" + pick(r, []string{"", "着"}) + color + clothes + "的" + n.name
	}
	if len([]rune(color)) == 1 || r.chance(0.2) {
		return head + size + color + n.name
	}
	return head + size + color + "的" + n.name
}

func everydayVerbZh(f *facts, m Motion, r *rng) string {
	way := f.way()
	switch {
	case f.pansAt(m):
		return pick(r, goingZh[way])
	case !m.sideways():
		if more := motionsByZh[m][way]; more != nil && r.chance(0.55) {
			return pick(r, more)
		}
		return pick(r, motionsOfZh[m])
	case f.direction:
		return pick(r, sidesZh[m]) + pick(r, stepsZh[way])
	}
	return pick(r, goingZh[way])
}

// everydayGroupZh returns who does what and where.
func everydayGroupZh(f *facts, r *rng) string {
	does := everydayVerbZh(f, f.Events[0], r)
	if len(f.Events) == 2 {
		does = pick(r, []string{"先", "先", ""}) + does + pick(r, []string{"，然后", "，再", "，接着"}) + everydayVerbZh(f, f.Events[1], r)
	}
	a := everydayActorZh(f, 0, r)
	if len(f.Actors) == 2 {
		rel := pick(r, relationsZh[f.Relation])
		if (f.Relation == LeftOf || f.Relation == RightOf) && r.chance(0.4) {
			rel = pick(r, nearZh)
		}
		a += "在" + everydayActorZh(f, 1, r) + rel + "，一起"
	}
	if !f.place {
		return a + does
	}
	goes := f.Events[0].sideways() || f.pansAt(f.Events[0])
	if goes && len(f.Events) == 1 && len(f.Actors) == 1 && r.chance(0.6) {
		return a + pick(r, pathsZh[f.Place]) + does
	}
	place := pick(r, everydayPlacesZh[f.Place])
	if len(f.Actors) == 2 || r.chance(0.25) {
		return pick(r, []string{"在", ""}) + place + "，" + a + does
	}
	if len(f.Events) == 1 && r.chance(0.15) {
		return place + "有" + a + "，正在" + does
	}
	if len(f.Events) == 2 {
		return a + "在" + place + does
	}
	return a + pick(r, []string{"在", "在", "正在"}) + place + does
}

// everydayZh composes a caption.
func everydayZh(f *facts, r *rng) string {
	var hours []string
	deep := f.Place == Underwater || f.Place == Space
	switch {
	case f.time && (f.weather || f.Weather == Clear && r.chance(0.3)) && !deep && r.chance(0.5):
		hours = []string{pick(r, skiesZh[sky{f.Time, f.Weather}])}
	default:
		if f.time {
			hours = append(hours, pick(r, everydayTimesZh[f.Time]))
		}
		if f.weather {
			hours = append(hours, pick(r, everydayWeathersZh[f.Weather]))
		}
		shuffle(r, hours)
	}
	text := everydayGroupZh(f, r)
	if r.chance(0.75) {
		text = join("，", append(hours, text)...)
	} else {
		text = join("，", append([]string{text}, hours...)...)
	}
	if len(f.Actors) == 1 && r.chance(0.1) {
		text = pick(r, []string{"一段视频：", "画面中，"}) + text
	}
	stop := pick(r, []string{"。", "。", "。", ""})
	switch {
	case f.command && r.chance(0.5):
		return text + stop + "[" + commandsZh[f.Camera] + "]"
	case f.command:
		return text + stop + "[" + pick(r, commands[f.Camera]) + "]"
	case !f.camera:
		return text + stop
	}
	camera := pick(r, everydayCamerasZh[f.Camera])
	if f.followed() && r.chance(0.4) {
		camera = pick(r, []string{"镜头跟着它", "镜头跟随它", "镜头跟着走"})
		if f.Actors[0].Subject == Person {
			camera = pick(r, []string{"镜头跟着他", "镜头跟随他", "镜头跟着走"})
		}
	}
	switch r.intn(5) {
	case 0:
		return camera + "，" + text + stop
	case 1, 2:
		return text + "。" + camera + stop
	}
	return text + "，" + camera + stop
}
