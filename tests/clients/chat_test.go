package clients

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// talker runs a server with a language model: SmolLM2 if scripts/smollm2 has fetched
// it, else a tiny one that answers with nonsense. knows says which.
func talker(t *testing.T) (address, key string, knows bool) {
	t.Helper()
	model, err := filepath.Abs(filepath.Join("..", "..", ".cache", "models", "SmolLM2-135M-Instruct.Q4_1.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if named := os.Getenv("KINORA_SMOLLM2"); named != "" {
		model = named
	}
	if _, err := os.Stat(model); err != nil {
		t.Logf("there is no SmolLM2 (scripts/smollm2 gets it): a tiny model answers")
		model = t.TempDir()
		tiny := exec.Command("go", "run", "./internal/model/lm/lmtest/tiny", model)
		tiny.Dir = filepath.Join("..", "..")
		if out, err := tiny.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	} else {
		knows = true
	}
	config := filepath.Join(t.TempDir(), "kinora.yaml")
	name, err := json.Marshal(model)
	if err == nil {
		err = os.WriteFile(config, []byte("chat: {model: "+string(name)+"}\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	address, key = serve(t, "--config", config)
	return address, key, knows
}

// TestOpenAIChat: OpenAI's client for Go talks with the local language model, in one
// piece and in many, and holds an answer to a schema.
func TestOpenAIChat(t *testing.T) {
	address, key, knows := talker(t)
	ai := openai.NewClient(option.WithBaseURL(address+"/v1"), option.WithAPIKey(key))
	ctx := t.Context()
	ask := openai.ChatCompletionNewParams{
		Model: "gpt-4o-mini", Seed: openai.Int(7), Temperature: openai.Float(0), MaxCompletionTokens: openai.Int(24),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Answer in one sentence."), openai.UserMessage("What is the capital of France?")},
	}
	whole, err := ai.Chat.Completions.New(ctx, ask)
	if err != nil {
		t.Fatal(err)
	}
	text := whole.Choices[0].Message.Content
	if text == "" || whole.Model != "gpt-4o-mini" || whole.Usage.CompletionTokens < 1 || whole.Usage.TotalTokens != whole.Usage.PromptTokens+whole.Usage.CompletionTokens {
		t.Errorf("got %s", whole.RawJSON())
	}
	if knows && !strings.Contains(text, "Paris") {
		t.Errorf("the capital of France is %q", text)
	}
	ask.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := ai.Chat.Completions.NewStreaming(ctx, ask)
	var all openai.ChatCompletionAccumulator
	pieces := 0
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			t.Errorf("a piece that does not fit: %s", stream.Current().RawJSON())
		}
		pieces++
	}
	if err := stream.Err(); err != nil || pieces < 4 || len(all.Choices) != 1 || all.Choices[0].Message.Content == "" || all.Choices[0].FinishReason == "" || all.Usage.CompletionTokens < 1 {
		t.Errorf("%d pieces, %+v, %v", pieces, all.ChatCompletion, err)
	}
	ask.MaxCompletionTokens = openai.Int(60)
	ask.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "answer", Schema: map[string]any{
			"type": "object", "properties": map[string]any{"city": map[string]any{"enum": []string{"Paris", "Rome"}}}, "required": []string{"city"}, "additionalProperties": false,
		}},
	}}
	ask.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	formed, err := ai.Chat.Completions.New(ctx, ask)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ City string }
	if err := json.Unmarshal([]byte(formed.Choices[0].Message.Content), &answer); err != nil || answer.City != "Paris" && answer.City != "Rome" {
		t.Errorf("%q, %v", formed.Choices[0].Message.Content, err)
	}
	ask.N = openai.Int(2)
	_, err = ai.Chat.Completions.New(ctx, ask)
	refused(t, err, 400)
	models, err := ai.Models.List(ctx)
	if err != nil || !strings.Contains(models.RawJSON(), `"kind":"language"`) {
		t.Errorf("the models are %s, %v", models.RawJSON(), err)
	}
}

// TestOpenAIPythonChat: the client for Python does the same. KINORA_OPENAI_PYTHON
// names a Python that has it.
func TestOpenAIPythonChat(t *testing.T) {
	python := os.Getenv("KINORA_OPENAI_PYTHON")
	if python == "" {
		python = "python3"
	}
	if out, err := exec.Command(python, "-c", "import openai").CombinedOutput(); err != nil {
		t.Skipf("%s has no openai: install it there (pip install openai), or name another Python in KINORA_OPENAI_PYTHON: %v %s", python, err, out)
	}
	address, key, _ := talker(t)
	cmd := exec.Command(python, "openai_chat.py", address+"/v1", key)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
