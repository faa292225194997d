// Package openai is OpenAI's Videos API as its SDKs speak it, and the list of
// models. docs/api-compatibility.md says what each endpoint and field does here,
// and is held to the tables of fields in form.go.
package openai
