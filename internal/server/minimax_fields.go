package server

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

var callbackField = mmField{name: "callback_url", kind: mmText, most: maxURL}

// subjectFields are those of V1's subject_reference.
var subjectFields = []mmField{
	{name: "type", kind: mmText, need: true, oneOf: []string{"character"}},
	{name: "image", kind: mmList, each: mmText},
}

var videoV1Form = mmForm{
	{name: "model", kind: mmText, need: true, most: 100},
	{name: "prompt", kind: mmText, most: maxV1Prompt},
	{name: "prompt_optimizer", kind: mmBool},
	{name: "fast_pretreatment", kind: mmBool},
	{name: "duration", kind: mmWhole, from: 1, to: job.MaxSeconds},
	{name: "resolution", kind: mmText, oneOf: service.ResolutionsV1},
	{name: "first_frame_image", kind: mmText, full: true},
	{name: "last_frame_image", kind: mmText, refuse: service.NoLastFrame},
	{name: "subject_reference", kind: mmList, each: mmObject, fields: subjectFields, refuse: service.NoSubject},
	callbackField,
	{name: "aigc_watermark", kind: mmBool},
}

var urlFields = []mmField{{name: "url", kind: mmText, need: true}}

var contentField = mmField{name: "content", kind: mmList, each: mmObject, most: maxContent, fields: []mmField{
	{name: "type", kind: mmText, need: true, oneOf: []string{"text", "image_url", "video_url", "audio_url"}},
	{name: "text", kind: mmText, most: job.MaxPromptChars},
	{name: "image_url", kind: mmObject, fields: urlFields},
	{name: "video_url", kind: mmObject, fields: urlFields, refuse: service.NoReference, late: true},
	{name: "audio_url", kind: mmObject, fields: urlFields, refuse: service.NoReference, late: true},
	{name: "role", kind: mmText, oneOf: []string{
		roleFirst, roleLast, roleImage, roleVideo, roleAudio, roleBase,
	}},
}}

var videoV2Form = mmForm{
	{name: "model", kind: mmText, need: true, most: 100},
	needed(contentField),
	{name: "resolution", kind: mmText, oneOf: service.ResolutionsV2},
	{name: "duration", kind: mmWhole, from: service.SecondsLeastV2, to: service.SecondsMostV2},
	{name: "ratio", kind: mmText, oneOf: append([]string{adaptive}, service.RatiosV2...)},
	callbackField,
	{name: "aigc_watermark", kind: mmBool},
	{name: "extra", kind: mmObject, fields: []mmField{
		{name: "prompt_expansion_mode", kind: mmText, oneOf: []string{"disabled", string(service.ExpandBalanced), string(service.ExpandQuality)}},
	}},
}

var contextForm = mmForm{
	{name: "model", kind: mmText, need: true, most: 100},
	needed(contentField),
	callbackField,
}

var regenerationForm = mmForm{
	{name: "model", kind: mmText, most: 100},
	{name: "source_task_id", kind: mmID},
	refusing(contentField, service.NoBaseVideo),
	{name: "resolution", kind: mmText, oneOf: []string{"2K"}},
	callbackField,
	{name: "aigc_watermark", kind: mmBool},
}

var imageForm = mmForm{
	{name: "model", kind: mmText, need: true, most: 100},
	{name: "prompt", kind: mmText, need: true, most: maxImagePrompt},
	{name: "aspect_ratio", kind: mmText, oneOf: service.ImageRatios},
	{name: "width", kind: mmWhole, from: service.ImageSideLeast, to: service.ImageSideMost},
	{name: "height", kind: mmWhole, from: service.ImageSideLeast, to: service.ImageSideMost},
	{name: "response_format", kind: mmText, oneOf: []string{"url", "base64"}},
	{name: "seed", kind: mmWhole, from: 0, to: service.MaxSeed},
	{name: "n", kind: mmWhole, from: 1, to: job.MaxImages},
	{name: "prompt_optimizer", kind: mmBool},
	{name: "aigc_watermark", kind: mmBool},
	{name: "subject_reference", kind: mmList, each: mmObject, refuse: service.NoSubject},
}

var speechForm = mmForm{
	{name: "model", kind: mmText, need: true, most: 100},
	{name: "text", kind: mmText, need: true, most: service.MaxSpeechText},
	{name: "stream", kind: mmBool},
	{name: "stream_options", kind: mmObject, fields: []mmField{{name: "exclude_aggregated_audio", kind: mmBool}}},
	{name: "output_format", kind: mmText, oneOf: []string{"hex", "url"}},
	{name: "voice_setting", kind: mmObject, fields: []mmField{
		{name: "voice_id", kind: mmText, most: 200},
		{name: "speed", kind: mmNumber, from: 0.5, to: 2},
		{name: "vol", kind: mmNumber, from: 0.01, to: 10},
		{name: "pitch", kind: mmWhole, from: -12, to: 12},
		{name: "emotion", kind: mmText, most: 40},
		{name: "text_normalization", kind: mmBool},
		{name: "latex_read", kind: mmBool, refuse: "the local voices do not read LaTeX: write the formula in words"},
	}},
	{name: "audio_setting", kind: mmObject, fields: []mmField{
		{name: "sample_rate", kind: mmWhole, oneOf: []string{"8000", "16000", "22050", "24000", "32000", "44100"}},
		{name: "bitrate", kind: mmWhole, oneOf: []string{"32000", "64000", "128000", "256000"}},
		{name: "format", kind: mmText, oneOf: []string{"mp3", "pcm", "flac", "wav"}},
		{name: "channel", kind: mmWhole, oneOf: []string{"1", "2"}},
	}},
	{name: "language_boost", kind: mmText, most: 40},
	{name: "pronunciation_dict", kind: mmObject, refuse: "the local voices take no pronunciations: spell the word as it sounds"},
	{name: "timber_weights", kind: mmList, each: mmObject, refuse: noVoiceMix},
	{name: "voice_modify", kind: mmObject, refuse: noVoiceMix},
	{name: "subtitle_enable", kind: mmBool, refuse: "there are no subtitles: leave it out"},
}

var voicesForm = mmForm{
	{name: "voice_type", kind: mmText, need: true, oneOf: []string{voicesSystem, voicesCloned, voicesGenerated, voicesAll}},
}

// chatForm holds what is looked at here; the whole body goes to the upstream.
var chatForm = mmForm{
	{name: "model", kind: mmText, most: 200},
	{name: "messages", kind: mmList, each: mmObject, need: true},
	{name: "stream", kind: mmBool},
}

// filePurposes are what a file may be uploaded for: the four of MiniMax's pages,
// and the two that its CLI writes.
var filePurposes = []string{"voice_clone", "prompt_audio", "t2a_async_input", "video_generation_input", "retrieval", "vision"}

var (
	taskQuery = mmForm{{name: "task_id", kind: mmID, need: true}}
	fileQuery = mmForm{{name: "file_id", kind: mmFileID, need: true}}
	filesForm = mmForm{
		{name: "purpose", kind: mmText, most: 64},
		{name: "after", kind: mmFileID},
		{name: "limit", kind: mmWhole, from: 1, to: service.MaxFilesPage},
	}
	fileDelete = mmForm{
		{name: "file_id", kind: mmFileID, need: true},
		{name: "purpose", kind: mmText, most: 64},
	}
	uploadForm = mmForm{
		{name: "purpose", kind: mmText, need: true, oneOf: filePurposes},
		{name: "file", kind: mmAny, need: true},
	}
	tasksQuery = mmForm{
		{name: "page_num", kind: mmWhole, from: 1, to: maxPages},
		{name: "page_size", kind: mmWhole, from: 1, to: maxPage},
		{name: "filter.status", kind: mmText, many: true, oneOf: []string{"queued", "running", "succeeded", "failed", "cancelled", "expired"}},
		{name: "filter.task_ids", kind: mmID, many: true},
		{name: "filter.model", kind: mmText, many: true, most: 100},
		{name: "filter.task_type", kind: mmText, many: true, oneOf: []string{taskGeneration, taskContext, taskRegeneration}},
	}
)

// mmForms are the requests of all endpoints, as docs/api-compatibility.md lists
// them.
var mmForms = map[string]mmForm{
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
	"POST /v1/text/chatcompletion_v2":          chatForm,
	"POST /v1/chat/completions":                chatForm,
	"GET /v1/token_plan/remains":               {},
}

func needed(f mmField) mmField { f.need = true; return f }

func refusing(f mmField, why string) mmField { f.refuse, f.late = why, true; return f }
