package world

import "strings"

// firstTable maps words that the storybook has since [EverydayEdition] to the
// nearest words of the first edition; verbs are in the plain form. Lines are as
// in relatedTable.
const firstTable = `
cat kitty
dog doggy hound
bird songbird sparrow pigeon
car auto taxi vehicle
boat ship yacht
train locomotive engine
spaceship spacecraft
butterfly moth
ball football
person man men woman women guy lady someone somebody
child boy girl kid
red crimson scarlet
orange tangerine brown chestnut chocolate
yellow golden gold
green emerald
blue black
purple violet
pink rosy
white grey gray silver
large giant enormous
two couple
meadow grass field park countryside flowers
beach shore coast seaside
ocean waves
city downtown road houses buildings
sandy sand
desert cactus
mountains mountain hills valley peaks
underwater seabed corals seaweed
space universe stars planets
day morning noon afternoon midday
sunset dawn sunrise twilight
night midnight moonlight
sun sunny sunshine
clear cloudy clouds
rain raining shower
snow snowing snowfall snowflakes winter
walk stroll wander hike march jog
run hurry dash trot race speed
fly soar glide hover flutter flap
swim paddle dart
drive travel
sail cruise
roll tumble
climb ascend
sink descend fall dive land
hop skip
jump leap
drift hang
rest wait sit stand lie
still steady stop
upward upwards
downward downwards
toward towards
slowly slow
clothes dress coat
鸟 麻雀
船 轮船
球 足球
人 男人 女人 先生 女士
孩子 男孩 女孩 小孩
红色 鲜红色 深红色
橙色 橘黄色 棕色 棕 褐色 深棕色 咖啡色
黄色 金色 金黄色
绿色 翠绿色 深绿色
蓝色 深蓝色 宝蓝色 黑色 黑 漆黑 乌黑
紫色 深紫色
粉色 桃红色
白色 洁白 灰色 灰 银灰色 浅灰色
草地 公园 田野 原野 草丛
海滩 海边 岸边 海岸
海面 海上 海浪 水面
街道 街上 马路 高楼
沙漠 沙丘 仙人掌
山里 山上 山谷 山间 群山 雪山前 高山
水下 水底 水里 深海 珊瑚
太空 星空 星球
白天 早上 上午 中午 下午
傍晚 日落 黄昏 黎明 清晨 日出时
夜里 半夜 深夜 月光下
晴天 阳光明媚 阳光下 多云
雨 雨夜
雪 雪夜 雪花飘落 冬天
走 散步 走路
跑 奔跑 跑步 飞奔
飞 飞翔 飞行 盘旋 悬停
游 游泳
行驶 飞驰 前行
飘 飘浮
跳动 跳跃 蹦跳
静止不动 坐着 站着 停着 休息
قطة قط هرة هريرة
كلب جرو
طائر حمامة
سيارة عربة
قارب سفينة زورق
قطار قاطرة
شخص رجل امرأة سيدة ولد بنت طفل فتاة
أحمر قرمزي
برتقالي بني كستنائي
أصفر ذهبي
أخضر زمردي
أزرق كحلي أسود سوداء
بنفسجي أرجواني
وردي زهري
أبيض رمادي فضي
ضخم عملاق
المرج الحقل الحديقة الأعشاب
الشاطئ الساحل الرمل
البحر الأمواج
المدينة الشارع الطريق البيوت
الصحراء الرمال الصبار
الجبال القمم الوادي
الفضاء النجوم الكواكب الكون
نهارا صباحا ظهرا الصباح
الغروب الفجر الشروق
الليل الظلام ليلة
الثلج الشتاء
يسير يمشي يتجول
يركض يجري يسرع
يطير يحلق يحوم
يسبح يعوم يغوص
`

// verbsEn are the plain forms of the everyday verbs.
func verbsEn() []string {
	var phrases []string
	for way := range goingEn {
		phrases = append(phrases, goingEn[way]...)
	}
	for s := range Subject(NumSubjects) {
		phrases = append(phrases, moreGoingEn[s]...)
	}
	for m := range Motion(NumMotions) {
		phrases = append(phrases, motionsOfEn[m]...)
		for way := range numManners {
			phrases = append(phrases, motionsByEn[m][way]...)
		}
	}
	verbs := make([]string, 0, len(phrases))
	for _, phrase := range phrases {
		if verb, _, _ := strings.Cut(phrase, " "); verb != "be" && verb != "do" {
			verbs = append(verbs, verb)
		}
	}
	return verbs
}

// addForms adds to m the forms of verbs that the first edition does not have:
// strolling maps to what stroll maps to, and running to run.
func addForms(m map[string]string) {
	first := FirstEdition.lexicon(En).known
	for _, verb := range verbsEn() {
		near := m[verb]
		if first[verb] {
			near = verb
		}
		for _, as := range []form{third, ing} {
			if bent := bendVerb(verb, as); near != "" && !first[bent] && m[bent] == "" {
				m[bent] = near
			}
		}
	}
}
