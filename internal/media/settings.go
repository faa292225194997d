package media

import (
	"fmt"
	"strings"
)

// settingsTag is the tag of an MP4 that holds the settings, in ffmpeg's words. It is
// the long description of iTunes (ldes).
const settingsTag = "synopsis"

// maxArgument is how many bytes of settings are given to ffmpeg as an argument.
// Windows takes 32767 characters for all arguments together; longer settings go
// through a file.
const maxArgument = 8 << 10

// longSettings writes settings that are too long for an argument into a temporary
// file, in the form of ffmpeg's metadata files, and returns the arguments that make it
// the next input.
func (e *mp4) longSettings() ([]string, error) {
	if len(e.o.Meta.Settings) <= maxArgument {
		return nil, nil
	}
	var err error
	if e.meta, err = newTemporary(); err != nil {
		return nil, err
	}
	escaped := strings.NewReplacer("\\", "\\\\", "=", "\\=", ";", "\\;", "#", "\\#", "\n", "\\\n").Replace(e.o.Meta.Settings)
	if _, err := e.meta.temp.Write([]byte(";FFMETADATA1\n" + settingsTag + "=" + escaped + "\n")); err != nil {
		return nil, fmt.Errorf("media: writing the settings of a video: %w: name a folder with room with TMPDIR", err)
	}
	return []string{"-f", "ffmetadata", "-i", "file:" + e.meta.temp.Name()}, nil
}
