package world

import "strings"

// nounsZh are a subject's measure word and names.
var nounsZh = [NumSubjects]struct {
	measure string
	names   []string
}{
	Cat: {"只", []string{"猫", "猫", "猫咪"}}, Dog: {"只", []string{"狗", "狗", "狗狗"}}, Bird: {"只", []string{"鸟", "鸟儿"}},
	Fish: {"条", []string{"鱼", "鱼儿"}}, Car: {"辆", []string{"汽车", "车", "轿车"}}, Boat: {"艘", []string{"船", "帆船"}},
	SteamTrain: {"列", []string{"火车", "列车"}}, Rocket: {"枚", []string{"火箭"}}, Balloon: {"个", []string{"气球", "热气球"}},
	Butterfly: {"只", []string{"蝴蝶"}}, Ball: {"个", []string{"球", "皮球"}}, Person: {"个", []string{"人", "人", "孩子"}},
}

var (
	colorsZh = [NumColors][]string{
		Red: {"红色"}, Orange: {"橙色", "橙色", "橘色"}, Yellow: {"黄色"}, Green: {"绿色"}, Blue: {"蓝色"},
		Purple: {"紫色"}, Pink: {"粉色", "粉红色"}, White: {"白色"},
		Black: {"黑色"}, Grey: {"灰色"}, Brown: {"棕色", "棕色", "褐色"},
	}
	shortZh = [NumColors]string{
		Red: "红", Orange: "橙", Yellow: "黄", Green: "绿", Blue: "蓝", Purple: "紫", Pink: "粉", White: "白", Black: "黑", Grey: "灰", Brown: "棕",
	}
	sizesZh  = [NumSizes][]string{Medium: {"中等大小的", "不大不小的"}, Small: {"小小的", "很小的", "小"}, Large: {"大大的", "很大的", "大"}}
	countZh  = [MaxCount + 1]string{1: "一", 2: "两", 3: "三"}
	placesZh = [NumPlaces][]string{ // as in 在…
		Meadow: {"草地上", "草原上"}, Beach: {"海滩上", "沙滩上"}, Ocean: {"海面上", "大海上", "海洋上"},
		City: {"城市里", "城市的街道上", "城里"}, Desert: {"沙漠里", "沙漠中"}, Mountains: {"山里", "群山之间", "高山前"},
		Underwater: {"水下", "海底"}, Space: {"太空中", "太空里", "宇宙中"},
	}
	timesZh = [NumDaytimes][]string{
		Day: {"白天", "在白天", "大白天"}, Sunset: {"日落时", "傍晚", "黄昏时", "夕阳下"}, Night: {"夜晚", "夜里", "晚上"},
	}
	weathersZh = [NumWeathers][]string{
		Clear: {"天气晴朗", "晴天", "天空晴朗"}, Rain: {"下着雨", "正在下雨", "雨天"}, Snow: {"下着雪", "正在下雪", "雪天"},
	}
	relationsZh = [NumRelations][]string{
		LeftOf: {"的左边", "的左侧"}, RightOf: {"的右边", "的右侧"}, Above: {"的上面", "的上方"}, Below: {"的下面", "的下方"},
	}
	camerasZh = [NumCameras][]string{
		Static:   {"镜头不动", "镜头固定", "固定镜头"},
		PanLeft:  {"镜头向左摇", "镜头向左移动", "镜头左移"},
		PanRight: {"镜头向右摇", "镜头向右移动", "镜头右移"},
		TiltUp:   {"镜头向上摇", "镜头向上抬", "镜头上移"},
		TiltDown: {"镜头向下摇", "镜头向下压", "镜头下移"},
		ZoomIn:   {"镜头推近", "镜头拉近", "画面放大"},
		ZoomOut:  {"镜头拉远", "镜头推远", "画面缩小"},
	}
	commandsZh = [NumCameras]string{
		Static: "固定", PanLeft: "左摇", PanRight: "右摇", TiltUp: "上摇", TiltDown: "下摇", ZoomIn: "变焦推近", ZoomOut: "变焦拉远",
	}
	mannersZh = [numManners + 1][]string{
		walks: {"走", "跑"}, flies: {"飞"}, swims: {"游"}, drives: {"行驶", "开"}, sails: {"航行"}, rolls: {"滚动"},
		floats: {"飘"}, numManners: {"移动", "前进"},
	}
	// @ stands for a verb of moving.
	motionsZh = [NumMotions][]string{
		MoveLeft:  {"向左@", "往左@", "从右向左@", "向左边@", "向左移动"},
		MoveRight: {"向右@", "往右@", "从左向右@", "向右边@", "向右移动"},
		MoveUp:    {"向上移动", "上升", "往上升", "慢慢上升"},
		MoveDown:  {"向下移动", "下降", "往下降", "慢慢下降"},
		Bounce:    {"上下跳动", "蹦蹦跳跳", "不停地弹跳", "跳来跳去"},
		Circle:    {"绕圈", "转圈", "绕着圈@", "不停地转圈"},
		Approach:  {"慢慢靠近", "向镜头靠近", "越来越近", "向我们靠近"},
		Still:     {"静止不动", "一动不动", "停在原地", "保持不动"},
	}
)

func actorZh(f *facts, i int, r *rng) string {
	a := f.Actors[i]
	n := nounsZh[a.Subject]
	head := countZh[a.Count] + n.measure
	noun, color, size := pick(r, n.names), pick(r, colorsZh[a.Color]), ""
	if f.size[i] {
		size = pick(r, sizesZh[a.Size])
	}
	if a.Subject == Person {
		if !strings.HasSuffix(size, "的") && size != "" {
			size = "很" + size + "的"
		}
		return head + size + pick(r, []string{"穿", "穿着"}) + color + pick(r, []string{"衣服", "外套"}) + "的" + noun
	}
	if !strings.HasSuffix(size, "的") {
		return head + color + "的" + size + noun
	}
	if r.chance(0.2) { // 红猫
		return head + size + shortZh[a.Color] + noun
	}
	return head + size + color + pick(r, []string{"的", "的", ""}) + noun
}

func verbZh(f *facts, m Motion, r *rng) string {
	return strings.Replace(pick(r, motionsZh[m]), "@", pick(r, mannersZh[f.joint()]), 1)
}

func eventsZh(f *facts, r *rng) string {
	first := verbZh(f, f.Events[0], r)
	if len(f.Events) == 1 {
		return first
	}
	second := verbZh(f, f.Events[1], r)
	switch r.intn(3) {
	case 0:
		return "先" + first + "，然后" + second
	case 1:
		return "先" + first + "，再" + second
	}
	return "首先" + first + "，接着" + second
}

func captionZh(f facts, r *rng) string {
	place, time, weather := "", "", ""
	if f.place {
		place = pick(r, placesZh[f.Place])
	}
	if f.time {
		time = pick(r, timesZh[f.Time])
	}
	if f.weather {
		weather = pick(r, weathersZh[f.Weather])
	}
	text := groupZh(&f, place, r)
	switch r.intn(4) {
	case 0:
		text = join("，", time, weather, text)
	case 1:
		text = join("，", weather, time, text)
	case 2:
		text = join("，", time, text, weather)
	default:
		text = join("，", text, time, weather)
	}
	if f.command {
		camera := "[" + pick(r, commands[f.Camera]) + "]"
		if r.chance(0.4) {
			camera = "[" + commandsZh[f.Camera] + "]"
		}
		if r.chance(0.4) {
			return camera + text + "。"
		}
		return text + "。" + camera
	}
	if !f.camera {
		return text + "。"
	}
	camera := pick(r, camerasZh[f.Camera])
	switch r.intn(4) {
	case 0:
		return camera + "。" + text + "。"
	case 1:
		return text + "，" + camera + "。"
	}
	return text + "。" + camera + "。"
}

// groupZh returns who does what and where.
func groupZh(f *facts, place string, r *rng) string {
	a := actorZh(f, 0, r)
	if len(f.Actors) == 2 {
		they := "它们"
		if f.Actors[0].Subject == Person && f.Actors[1].Subject == Person {
			they = "他们"
		}
		text := a + "在" + actorZh(f, 1, r) + pick(r, relationsZh[f.Relation]) + "，" + they + "一起" + eventsZh(f, r)
		if place != "" {
			text = pick(r, []string{"在", ""}) + place + "，" + text
		}
		return text
	}
	if place == "" {
		return a + eventsZh(f, r)
	}
	switch r.intn(3) {
	case 0:
		return place + "有" + a + "，" + eventsZh(f, r)
	case 1:
		return "在" + place + "，" + a + eventsZh(f, r)
	}
	return a + "在" + place + eventsZh(f, r)
}

// join joins the strings that are not empty.
func join(sep string, parts ...string) string {
	var list []string
	for _, p := range parts {
		if p != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, sep)
}
