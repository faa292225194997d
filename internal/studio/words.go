package studio

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"

	"golang.org/x/text/language"
)

//go:embed words/*.json
var wordFiles embed.FS

// words are the texts of all pages in a language, by key.
type words map[string]string

// text is a text; a key without one shows itself, which checkWords prevents.
func (w words) text(key string) string {
	if t, ok := w[key]; ok {
		return t
	}
	return key
}

// languages are those of the pages, the default first.
var languages = []string{"en", "zh", "ar"}

var matcher = language.NewMatcher([]language.Tag{language.English, language.Chinese, language.Arabic})

// translations are the texts by language.
var translations = func() map[string]words {
	all := map[string]words{}
	for _, lang := range languages {
		data, err := wordFiles.ReadFile("words/" + lang + ".json")
		var w words
		if err == nil {
			err = json.Unmarshal(data, &w)
		}
		if err != nil {
			panic("the texts of the studio: " + err.Error()) // they are inside the program
		}
		all[lang] = w
	}
	return all
}()

// checkWords sees that every language has every text.
func checkWords() error {
	for _, lang := range languages[1:] {
		for key := range translations[languages[0]] {
			if translations[lang][key] == "" {
				return fmt.Errorf("words/%s.json lacks %s", lang, key)
			}
		}
		for key := range translations[lang] {
			if translations[languages[0]][key] == "" {
				return fmt.Errorf("words/%s.json has %s, which words/%s.json lacks", lang, key, languages[0])
			}
		}
	}
	return nil
}

// langOf is the language of a request: the one that was chosen in a page, or the one
// that the browser prefers.
func langOf(r *http.Request) string {
	if c, err := r.Cookie("kinora_lang"); err == nil && translations[c.Value] != nil {
		return c.Value
	}
	tags, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(tags) == 0 {
		return languages[0]
	}
	_, i, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return languages[0]
	}
	return languages[i]
}

func (s *Studio) words(r *http.Request) words { return translations[langOf(r)] }
