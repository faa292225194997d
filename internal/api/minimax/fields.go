package minimax

import (
	"github.com/kinora-video/kinora/internal/job"

	"github.com/kinora-video/kinora/internal/service"
)

// Limits of MiniMax's requests.
const (
	maxV1Prompt    = 2000 // characters
	maxImagePrompt = 1500 // characters
	maxContent     = 64   // items of a V2 request, texts included
	maxURL         = 2048 // characters of a callback URL
	maxPage        = 100  // records
	maxPages       = 1_000_000
	maxWanted      = 100 // values of one filter
)

// noVoiceMix is why voices that are made of others are refused.
const noVoiceMix = "the local voices cannot be mixed or bent: choose one with voice_setting.voice_id"

var callbackField = fieldRule{name: "callback_url", kind: aString, most: maxURL}

// subjectFields are those of V1's subject_reference.
var subjectFields = []fieldRule{
	{name: "type", kind: aString, need: true, oneOf: []string{"character"}},
	{name: "image", kind: aList, each: aString},
}

var videoV1Form = fieldRules{
	{name: "model", kind: aString, need: true, most: 100},
	{name: "prompt", kind: aString, most: maxV1Prompt},
	{name: "prompt_optimizer", kind: aBool},
	{name: "fast_pretreatment", kind: aBool},
	{name: "duration", kind: aWholeNumber, from: 1, to: job.MaxSeconds},
	{name: "resolution", kind: aString, oneOf: service.ResolutionsV1},
	{name: "first_frame_image", kind: aString, full: true},
	{name: "last_frame_image", kind: aString, refuse: service.NoLastFrame},
	{name: "subject_reference", kind: aList, each: anObject, fields: subjectFields, refuse: service.NoSubject},
	callbackField,
	{name: "aigc_watermark", kind: aBool},
}

var urlFields = []fieldRule{{name: "url", kind: aString, need: true}}

var contentField = fieldRule{name: "content", kind: aList, each: anObject, most: maxContent, fields: []fieldRule{
	{name: "type", kind: aString, need: true, oneOf: []string{"text", "image_url", "video_url", "audio_url"}},
	{name: "text", kind: aString, most: job.MaxPromptChars},
	{name: "image_url", kind: anObject, fields: urlFields},
	{name: "video_url", kind: anObject, fields: urlFields, refuse: service.NoReference, late: true},
	{name: "audio_url", kind: anObject, fields: urlFields, refuse: service.NoReference, late: true},
	{name: "role", kind: aString, oneOf: []string{
		roleFirst, roleLast, roleImage, roleVideo, roleAudio, roleBase,
	}},
}}

var videoV2Form = fieldRules{
	{name: "model", kind: aString, need: true, most: 100},
	needed(contentField),
	{name: "resolution", kind: aString, oneOf: service.ResolutionsV2},
	{name: "duration", kind: aWholeNumber, from: service.SecondsLeastV2, to: service.SecondsMostV2},
	{name: "ratio", kind: aString, oneOf: append([]string{adaptive}, service.RatiosV2...)},
	callbackField,
	{name: "aigc_watermark", kind: aBool},
	{name: "extra", kind: anObject, fields: []fieldRule{
		{name: "prompt_expansion_mode", kind: aString, oneOf: []string{"disabled", string(service.ExpandBalanced), string(service.ExpandQuality)}},
	}},
}

var contextForm = fieldRules{
	{name: "model", kind: aString, need: true, most: 100},
	needed(contentField),
	callbackField,
}

var regenerationForm = fieldRules{
	{name: "model", kind: aString, most: 100},
	{name: "source_task_id", kind: anID},
	refusing(contentField, service.NoBaseVideo),
	{name: "resolution", kind: aString, oneOf: []string{"2K"}},
	callbackField,
	{name: "aigc_watermark", kind: aBool},
}

var imageForm = fieldRules{
	{name: "model", kind: aString, need: true, most: 100},
	{name: "prompt", kind: aString, need: true, most: maxImagePrompt},
	{name: "aspect_ratio", kind: aString, oneOf: service.ImageRatios},
	{name: "width", kind: aWholeNumber, from: service.ImageSideLeast, to: service.ImageSideMost},
	{name: "height", kind: aWholeNumber, from: service.ImageSideLeast, to: service.ImageSideMost},
	{name: "response_format", kind: aString, oneOf: []string{"url", "base64"}},
	{name: "seed", kind: aWholeNumber, from: 0, to: service.MaxSeed},
	{name: "n", kind: aWholeNumber, from: 1, to: job.MaxImages},
	{name: "prompt_optimizer", kind: aBool},
	{name: "aigc_watermark", kind: aBool},
	{name: "subject_reference", kind: aList, each: anObject, refuse: service.NoSubject},
}

var speechForm = fieldRules{
	{name: "model", kind: aString, need: true, most: 100},
	{name: "text", kind: aString, need: true, most: service.MaxSpeechText},
	{name: "stream", kind: aBool},
	{name: "stream_options", kind: anObject, fields: []fieldRule{{name: "exclude_aggregated_audio", kind: aBool}}},
	{name: "output_format", kind: aString, oneOf: []string{"hex", "url"}},
	{name: "voice_setting", kind: anObject, fields: []fieldRule{
		{name: "voice_id", kind: aString, most: 200},
		{name: "speed", kind: aNumber, from: 0.5, to: 2},
		{name: "vol", kind: aNumber, from: 0.01, to: 10},
		{name: "pitch", kind: aWholeNumber, from: -12, to: 12},
		{name: "emotion", kind: aString, most: 40},
		{name: "text_normalization", kind: aBool},
		{name: "latex_read", kind: aBool, refuse: "the local voices do not read LaTeX: write the formula in words"},
	}},
	{name: "audio_setting", kind: anObject, fields: []fieldRule{
		{name: "sample_rate", kind: aWholeNumber, oneOf: []string{"8000", "16000", "22050", "24000", "32000", "44100"}},
		{name: "bitrate", kind: aWholeNumber, oneOf: []string{"32000", "64000", "128000", "256000"}},
		{name: "format", kind: aString, oneOf: []string{"mp3", "pcm", "flac", "wav"}},
		{name: "channel", kind: aWholeNumber, oneOf: []string{"1", "2"}},
	}},
	{name: "language_boost", kind: aString, most: 40},
	{name: "pronunciation_dict", kind: anObject, refuse: "the local voices take no pronunciations: spell the word as it sounds"},
	{name: "timber_weights", kind: aList, each: anObject, refuse: noVoiceMix},
	{name: "voice_modify", kind: anObject, refuse: noVoiceMix},
	{name: "subtitle_enable", kind: aBool, refuse: "there are no subtitles: leave it out"},
}

var voicesForm = fieldRules{
	{name: "voice_type", kind: aString, need: true, oneOf: []string{voicesSystem, voicesCloned, voicesGenerated, voicesAll}},
}

// chatForm holds what is looked at of every request for chat. talkForm has the rest,
// for the local language model; an upstream gets the whole body.
var chatForm = fieldRules{
	{name: "model", kind: aString, most: 200},
	{name: "messages", kind: aList, each: anObject, need: true},
	{name: "stream", kind: aBool},
}

// filePurposes are what a file may be uploaded for: the four of MiniMax's pages,
// and the two that its CLI writes.
var filePurposes = []string{"voice_clone", "prompt_audio", "t2a_async_input", "video_generation_input", "retrieval", "vision"}

var (
	taskQuery = fieldRules{{name: "task_id", kind: anID, need: true}}
	fileQuery = fieldRules{{name: "file_id", kind: aFileID, need: true}}
	filesForm = fieldRules{
		{name: "purpose", kind: aString, most: 64},
		{name: "after", kind: aFileID},
		{name: "limit", kind: aWholeNumber, from: 1, to: service.MaxFilesPage},
	}
	fileDelete = fieldRules{
		{name: "file_id", kind: aFileID, need: true},
		{name: "purpose", kind: aString, most: 64},
	}
	uploadForm = fieldRules{
		{name: "purpose", kind: aString, need: true, oneOf: filePurposes},
		{name: "file", kind: anyValue, need: true},
	}
	tasksQuery = fieldRules{
		{name: "page_num", kind: aWholeNumber, from: 1, to: maxPages},
		{name: "page_size", kind: aWholeNumber, from: 1, to: maxPage},
		{name: "filter.status", kind: aString, many: true, oneOf: []string{"queued", "running", "succeeded", "failed", "cancelled", "expired"}},
		{name: "filter.task_ids", kind: anID, many: true},
		{name: "filter.model", kind: aString, many: true, most: 100},
		{name: "filter.task_type", kind: aString, many: true, oneOf: []string{taskGeneration, taskContext, taskRegeneration}},
	}
)

// requests are the requests of all endpoints, as docs/api-compatibility.md lists
// them.
var requests = map[string]fieldRules{
	"POST /v1/video_generation":                videoV1Form,
	"GET /v1/query/video_generation":           taskQuery,
	"POST /v1/files/upload":                    uploadForm,
	"GET /v1/files/list":                       filesForm,
	"GET /v1/files/retrieve":                   fileQuery,
	"GET /v1/files/retrieve_content":           fileQuery,
	"POST /v1/files/delete":                    fileDelete,
	"POST /v2/video_generation":                videoV2Form,
	"GET /v2/query/video_generation/{task_id}": {},
	"GET /v2/query/video_generation":           tasksQuery,
	"DELETE /v2/video_generation/{task_id}":    {},
	"POST /v2/h3_context_ir":                   contextForm,
	"POST /v2/video_regeneration":              regenerationForm,
	"POST /v1/image_generation":                imageForm,
	"POST /v1/t2a_v2":                          speechForm,
	"POST /v1/get_voice":                       voicesForm,
	"POST /v1/text/chatcompletion_v2":          talkForm,
	"POST /v1/chat/completions":                talkForm,
	"GET /v1/token_plan/remains":               {},
}

func needed(f fieldRule) fieldRule { f.need = true; return f }

func refusing(f fieldRule, why string) fieldRule { f.refuse, f.late = why, true; return f }
