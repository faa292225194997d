package world

// palette has the paper colours of one place at one time of day.
type palette struct {
	skyTop, skyLow rgb
	far, mid, near rgb // scenery from the horizon to the front
	ground, accent rgb
	light          rgb // light on the actors
	sun, cloud     rgb
	night          bool
}

// dayPalettes are the colours of the places by day; other times are derived
// from them.
var dayPalettes = [NumPlaces]palette{
	Meadow:     {skyTop: hex(0x7cc4ee), skyLow: hex(0xe4f4f6), far: hex(0xb4d6c4), mid: hex(0x9cc98e), near: hex(0x86b85c), ground: hex(0xb5d67a), accent: hex(0x5f9a55)},
	Beach:      {skyTop: hex(0x69c3ec), skyLow: hex(0xe6f6f3), far: hex(0x9fd0d3), mid: hex(0x49b2c6), near: hex(0x7fd3d2), ground: hex(0xf0dcae), accent: hex(0x6fae74)},
	Ocean:      {skyTop: hex(0x86c5ea), skyLow: hex(0xf2f5e6), far: hex(0xa9c7d4), mid: hex(0x5aa9cf), near: hex(0x3f8fbe), ground: hex(0x2f7aac), accent: hex(0xd8eef2)},
	City:       {skyTop: hex(0x93c4e8), skyLow: hex(0xf4ead8), far: hex(0xbccbd8), mid: hex(0x9fb0c4), near: hex(0xc9b8ac), ground: hex(0x8d8f9c), accent: hex(0xf4d98a)},
	Desert:     {skyTop: hex(0x8fd0e6), skyLow: hex(0xfbeccb), far: hex(0xd9a98a), mid: hex(0xe0b67f), near: hex(0xe8c68d), ground: hex(0xf0d59c), accent: hex(0x6f9a62)},
	Mountains:  {skyTop: hex(0x6fb0e4), skyLow: hex(0xe2eff8), far: hex(0xa9bdd8), mid: hex(0x7f97b8), near: hex(0x5f8a7c), ground: hex(0xa9c29a), accent: hex(0x3f6f62)},
	Underwater: {skyTop: hex(0x9fe4e6), skyLow: hex(0x2f9cba), far: hex(0x58b3c4), mid: hex(0x3d97b0), near: hex(0x2f8196), ground: hex(0xe0d3a4), accent: hex(0xe98a7a)},
	Space:      {skyTop: hex(0x3a3f9a), skyLow: hex(0x8c86d8), far: hex(0xb9a7e6), mid: hex(0x7f78c2), near: hex(0x9c97c8), ground: hex(0xc4c0dc), accent: hex(0xf2c48a)},
}

// skies are the sky colours at sunset and night, top and low, of places with
// their own.
var sunsetSkies = [NumPlaces][2]rgb{
	Meadow: {hex(0x8a6fb4), hex(0xffc48a)}, Beach: {hex(0xd9607a), hex(0xffd08a)}, Ocean: {hex(0x7a5aa8), hex(0xffb07a)},
	City: {hex(0x6a5a9c), hex(0xffb48c)}, Desert: {hex(0xc85a5a), hex(0xffc46a)}, Mountains: {hex(0x6a66b4), hex(0xffb6a0)},
	Underwater: {hex(0xffc08a), hex(0x8a5a94)}, Space: {hex(0x5a2a6a), hex(0xe0788a)},
}

var nightSkies = [NumPlaces][2]rgb{
	Meadow: {hex(0x10183e), hex(0x3a5080)}, Beach: {hex(0x0e1a44), hex(0x3c5c8c)}, Ocean: {hex(0x0b1538), hex(0x2e4a7c)},
	City: {hex(0x141638), hex(0x4a4a7c)}, Desert: {hex(0x181a40), hex(0x5a5080)}, Mountains: {hex(0x0e1640), hex(0x40588c)},
	Underwater: {hex(0x1c4470), hex(0x0a1a40)}, Space: {hex(0x05061a), hex(0x161a3c)},
}

// sunsetTints are the colours of the sunset light on the papers of each place.
var sunsetTints = [NumPlaces]rgb{
	Meadow: hex(0xe8925c), Beach: hex(0xe8608c), Ocean: hex(0xd0509c), City: hex(0xe8826c),
	Desert: hex(0xe0704c), Mountains: hex(0xd8749c), Underwater: hex(0xd87a8c), Space: hex(0xe0608c),
}

// paletteOf returns the palette of a place at a time of day.
func paletteOf(p Place, d Daytime) palette {
	c := dayPalettes[p]
	c.light, c.sun, c.cloud = rgb{1, 1, 1}, hex(0xfff3b8), hex(0xffffff)
	switch d {
	case Sunset:
		c.skyTop, c.skyLow = sunsetSkies[p][0], sunsetSkies[p][1]
		c.tint(sunsetTints[p], 0.32, 0.90)
		c.light, c.sun, c.cloud = rgb{1, 0.94, 0.88}, hex(0xffe08a), hex(0xffd2b8)
	case Night:
		c.skyTop, c.skyLow = nightSkies[p][0], nightSkies[p][1]
		c.tint(hex(0x182c78), 0.54, 0.60)
		c.light, c.sun, c.cloud = rgb{0.90, 0.91, 0.97}, hex(0xfff6d8), hex(0x53659a)
		c.night = true
	}
	return c
}

// tint mixes the colours with a colour of light and darkens them.
func (c *palette) tint(to rgb, share, dark float32) {
	for _, v := range []*rgb{&c.far, &c.mid, &c.near, &c.ground, &c.accent} {
		*v = v.dark(dark).mix(to, share)
	}
}
