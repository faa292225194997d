"""Talks with a server of Kinora through OpenAI's own client: python3 openai_chat.py URL KEY."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
ask = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Name a bird."}]}],
    "max_tokens": 16,
    "seed": 7,
    "temperature": 0,
}

whole = client.chat.completions.create(**ask)
text = whole.choices[0].message.content
assert text and whole.choices[0].message.role == "assistant", whole
assert whole.choices[0].finish_reason in ("stop", "length"), whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens, whole

pieces = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices), pieces
assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] in ("stop", "length"), pieces
assert pieces[-1].usage.completion_tokens > 0 and not pieces[-1].choices, pieces[-1]

schema = {"type": "object", "properties": {"bird": {"enum": ["wren", "crow"]}}, "required": ["bird"], "additionalProperties": False}
formed = client.chat.completions.create(
    **{**ask, "max_tokens": 60}, response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
)
assert json.loads(formed.choices[0].message.content)["bird"] in ("wren", "crow"), formed

try:
    client.chat.completions.create(**{**ask, "model": "gpt-9"})
    raise SystemExit("a model that is not there answered")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error

try:
    client.chat.completions.create(**ask, n=2)
    raise SystemExit("two answers came")
except openai.BadRequestError as error:
    assert error.param == "n", error
