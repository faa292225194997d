package minimax

import (
	"strconv"

	"github.com/kinora-video/kinora/internal/job"
)

// task is a job in V2's form.
type task struct {
	ID        string      `json:"id"`
	Model     string      `json:"model"`
	Status    string      `json:"status"`
	Error     *taskError  `json:"error,omitempty"`
	CreatedAt int64       `json:"created_at"` // Unix seconds
	UpdatedAt int64       `json:"updated_at"`
	Content   taskContent `json:"content"`

	Resolution string    `json:"resolution,omitempty"`
	Duration   int       `json:"duration,omitempty"` // seconds
	Ratio      string    `json:"ratio,omitempty"`
	Usage      taskUsage `json:"usage"`
	TaskType   string    `json:"task_type"`
	Modality   string    `json:"modality"` // of the result: "video" or "text"
	Notes      []string  `json:"notes,omitempty"`
}

type taskError struct {
	Code    string `json:"code"` // the number, as base_resp has it
	Message string `json:"message"`
}

type taskContent struct {
	URL    string `json:"url,omitempty"`    // good for linkTime
	Prompt string `json:"prompt,omitempty"` // of an h3_context_ir
}

type taskUsage struct {
	TotalSeconds  int `json:"total_seconds"`
	InputSeconds  int `json:"input_seconds"`
	OutputSeconds int `json:"output_seconds"`
	InputImages   int `json:"input_image_count"`
	InputVideos   int `json:"input_video_count"` // 0: no local model takes one
	InputSounds   int `json:"input_audio_count"` // likewise
	SoundSeconds  int `json:"input_audio_seconds"`
}

type taskAnswer struct {
	Task task `json:"task"`
}

type tasksAnswer struct {
	Items []task `json:"items"`
	Total int    `json:"total"`
}

// taskOf is a job in V2's form. What was used is counted once there is a result:
// before that, and without one, nothing is. base is what links begin with.
func taskOf(b Media, base string, j *job.Job) task {
	t := task{
		ID: j.ID.String(), Model: j.Spec.Model, Status: string(j.State), CreatedAt: j.CreatedAt.Unix(), UpdatedAt: j.UpdatedAt.Unix(),
		Resolution: j.Spec.Resolution, Duration: int(j.Spec.Seconds), Ratio: j.Spec.Ratio,
		TaskType: taskTypeOf(j), Modality: "video", Notes: j.Notes(),
	}
	if j.Spec.Kind == job.Expansion {
		t.Modality = "text"
	}
	if base := respOf(j); base != success && (j.State == job.Failed || j.State == job.Expired) {
		t.Error = &taskError{strconv.Itoa(base.Code), base.Message}
	}
	if j.State != job.Succeeded || j.Result == nil {
		return t
	}
	t.Content.Prompt = j.Result.Text
	if f, ok := j.Result.File(job.RoleVideo); ok {
		t.Content.URL = b.BlobURL(base, f, linkTime)
	}
	if j.Spec.Kind == job.Video {
		in := int(j.Spec.InputSeconds)
		t.Usage = taskUsage{InputSeconds: in, OutputSeconds: t.Duration, TotalSeconds: in + t.Duration, InputImages: j.Spec.InputImages}
	}
	return t
}
