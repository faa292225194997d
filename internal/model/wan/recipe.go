package wan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/kinora-video/kinora/internal/sampler"
)

// recipe is how a model is sampled: what diffusers keeps in model_index.json and
// in the configuration of the scheduler.
type recipe struct {
	// renoise has the timesteps of a distilled model, nil for one that is not.
	renoise []int
	euler   bool    // Euler's method instead of UniPC
	shift   float64 // of the noise levels
	// boundary is the timestep below which the second transformer predicts, as a part
	// of all; 0 for a model of one.
	boundary float64
	// tokens says that each token has a timestep of its own, which is 0 for those of
	// a given first frame. Otherwise a first frame comes as more channels.
	tokens bool
}

// The classes of pipelines.
const (
	textPipeline      = "WanPipeline"
	imagePipeline     = "WanImageToVideoPipeline"
	distilledPipeline = "WanDMDPipeline"
)

// fastWan are the timesteps that FastWan was distilled to.
var fastWan = []int{1000, 757, 522}

// Usual values, where a folder does not say.
const (
	usualShift         = 5
	usualBoundaryText  = 0.875 // of the two experts of Wan 2.2
	usualBoundaryImage = 0.9
	maxShift           = 100
)

// modelIndex is a model_index.json.
type modelIndex struct {
	Class    string   `json:"_class_name"`
	Boundary *float64 `json:"boundary_ratio"`
	Tokens   *bool    `json:"expand_timesteps"`
}

// schedulerConfig is a scheduler_config.json.
type schedulerConfig struct {
	Class      string   `json:"_class_name"`
	FlowShift  *float64 `json:"flow_shift"`
	Shift      *float64 `json:"shift"`
	FlowSigmas *bool    `json:"use_flow_sigmas"`
	Predicts   string   `json:"prediction_type"`
	Order      *int     `json:"solver_order"`
	Solver     string   `json:"solver_type"`
	PredictX0  *bool    `json:"predict_x0"`
	Final      string   `json:"final_sigmas_type"`
	Train      *int     `json:"num_train_timesteps"`
	Lower      *bool    `json:"lower_order_final"`
	Dynamic    bool     `json:"use_dynamic_shifting"`
	Karras     bool     `json:"use_karras_sigmas"`
	Expo       bool     `json:"use_exponential_sigmas"`
	Beta       bool     `json:"use_beta_sigmas"`
	Threshold  bool     `json:"thresholding"`
	Inverted   bool     `json:"invert_sigmas"`
	Stochastic bool     `json:"stochastic_sampling"`
	Terminal   *float64 `json:"shift_terminal"`
	Without    []int    `json:"disable_corrector"`
}

// readRecipe reads how the model in dir is sampled. first is the configuration of
// its transformer, second says whether it has another.
func readRecipe(dir string, first TransformerConfig, channels int, second bool) (r recipe, err error) {
	var index modelIndex
	path := filepath.Join(dir, "model_index.json")
	if err := readJSON(path, &index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	// Weights from elsewhere come without an index: the shape of the first
	// convolution tells the rest. Wan 2.2 5B has 48 channels in latents.
	r.tokens = first.In == channels && channels > 16
	if index.Tokens != nil {
		r.tokens = *index.Tokens
	}
	switch index.Class {
	case "", textPipeline, imagePipeline:
	case distilledPipeline:
		r.renoise = fastWan
	default:
		return r, fmt.Errorf("%s: the model is a %.60q, must be a %s, a %s or a %s", path, index.Class, textPipeline, imagePipeline, distilledPipeline)
	}
	if second {
		r.boundary = usualBoundaryText
		if first.In != channels {
			r.boundary = usualBoundaryImage
		}
		if index.Boundary != nil {
			r.boundary = *index.Boundary
		}
		if !(r.boundary > 0 && r.boundary < 1) {
			return r, fmt.Errorf("%s: boundary_ratio is %v, must be between 0 and 1", path, r.boundary)
		}
	}
	return r, r.readScheduler(filepath.Join(dir, schedulerDir, "scheduler_config.json"))
}

// readScheduler reads the configuration of a scheduler, and refuses what would
// sample otherwise than package sampler does.
func (r *recipe) readScheduler(path string) error {
	c := schedulerConfig{Class: "UniPCMultistepScheduler", Predicts: "flow_prediction"}
	yes := true
	c.FlowSigmas = &yes
	err := readJSON(path, &c)
	if errors.Is(err, fs.ErrNotExist) {
		r.shift = usualShift
		return nil
	}
	if err != nil {
		return err
	}
	isNo := func(b *bool) bool { return b != nil && !*b }
	other := func(what string) error {
		return fmt.Errorf("%s: %s: this model is sampled in a way that is not known", path, what)
	}
	switch {
	case c.Train != nil && *c.Train != sampler.TrainSteps:
		return other(fmt.Sprintf("num_train_timesteps is %d, must be %d", *c.Train, sampler.TrainSteps))
	case c.Dynamic, c.Karras, c.Expo, c.Beta, c.Threshold, c.Inverted, c.Stochastic, c.Terminal != nil, len(c.Without) > 0:
		return other("it asks for noise levels or steps of another kind")
	}
	shift := c.Shift
	switch c.Class {
	case "FlowMatchEulerDiscreteScheduler":
		r.euler = true
	case "UniPCMultistepScheduler":
		shift = c.FlowShift
		switch {
		case c.Predicts != "flow_prediction" || isNo(c.FlowSigmas):
			return other("it must have flow_prediction and use_flow_sigmas")
		case c.Order != nil && *c.Order != 2 || c.Solver != "" && c.Solver != "bh2" || isNo(c.PredictX0) || isNo(c.Lower):
			return other("solver_order must be 2, solver_type bh2, predict_x0 and lower_order_final true")
		case cmp.Or(c.Final, "zero") != "zero":
			return other("final_sigmas_type must be zero")
		}
	default:
		return other(fmt.Sprintf("it is a %.60q, must be a UniPCMultistepScheduler or a FlowMatchEulerDiscreteScheduler", c.Class))
	}
	r.shift = 1
	if shift != nil {
		r.shift = *shift
	}
	if !(r.shift > 0 && r.shift <= maxShift) {
		return fmt.Errorf("%s: the shift is %v, must be more than 0 and at most %d", path, r.shift, maxShift)
	}
	return nil
}

// flow is the schedule for a number of steps.
func (r *recipe) flow(steps int) sampler.Flow {
	switch {
	case r.renoise != nil:
		return sampler.NewRenoise(r.renoise...)
	case r.euler:
		return sampler.NewFlowEuler(steps, r.shift)
	}
	return sampler.NewUniPC(steps, r.shift)
}

// second says whether the second transformer predicts at a timestep.
func (r *recipe) second(timestep float64) bool {
	return r.boundary > 0 && timestep < r.boundary*sampler.TrainSteps
}
