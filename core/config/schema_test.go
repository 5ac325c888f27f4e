// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const exampleFile = "../../docs/camring.example.yaml"

// object is the part of a JSON schema that says which keys there are.
type object struct {
	Properties map[string]object `json:"properties"`
	Defs       map[string]object `json:"$defs"`
	Closed     *bool             `json:"additionalProperties"`
}

// UnmarshalJSON ignores an additionalProperties that is a schema.
func (o *object) UnmarshalJSON(data []byte) error {
	var raw struct {
		Properties map[string]object `json:"properties"`
		Defs       map[string]object `json:"$defs"`
		Additional json.RawMessage   `json:"additionalProperties"`
	}
	if data[0] != '{' {
		return nil
	}
	err := json.Unmarshal(data, &raw)
	o.Properties, o.Defs = raw.Properties, raw.Defs
	if closed := string(raw.Additional) == "false"; closed {
		o.Closed = new(bool)
	}
	return err
}

// tables are the keys the code knows, by where the schema has them.
func tables() map[string][]string {
	return map[string][]string{
		"":         names(fileKeys),
		"camera":   names(cameraKeys),
		"defaults": names(defaultKeys),
		"output":   names(outputKeys),
		"redis":    names(redisKeys),
		"http":     names(httpKeys),
		"ring":     names(ringKeys),
		"log":      names(logKeys),
	}
}

func TestSchemaHasTheKeysOfTheCode(t *testing.T) {
	var schema object
	if err := json.Unmarshal(Schema, &schema); err != nil {
		t.Fatal(err)
	}
	for name, want := range tables() {
		o, ok := schema.Defs[name]
		if name == "" {
			o, ok = schema, true
		} else if !ok {
			o, ok = schema.Properties[name]
		}
		slices.Sort(want)
		got := slices.Sorted(maps.Keys(o.Properties))
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%q: code -, schema +:\n%s", name, diff)
		}
		if o.Closed == nil {
			t.Errorf("%q: the schema allows unknown keys", name)
		}
	}
}

func TestExampleParsesAndShowsEveryKey(t *testing.T) {
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Parse(exampleFile, data, envOf(map[string]string{"YARD_PASSWORD": "x"}))
	if err != nil || len(cfg.Cameras) != 4 {
		t.Fatalf("got %v, want its four cameras", err)
	}
	for name, keys := range tables() {
		for _, k := range keys {
			if !regexp.MustCompile(`(?m)^[ #]*(full: \{)?` + k + `:`).Match(data) {
				t.Errorf("the example does not show %s of %q", k, name)
			}
		}
	}
	// What is commented out must be right as well: uncommented keys with their shown values parse.
	uncommented := regexp.MustCompile(`(?m)^( +)# ([a-z_]+:)`).ReplaceAll(data, []byte("$1$2"))
	uncommented = regexp.MustCompile(`(?m)^( +)#   (full:)`).ReplaceAll(uncommented, []byte("$1  $2"))
	uncommented = regexp.MustCompile(`(?m)^ *password_file:.*\n`).ReplaceAll(uncommented, nil)
	uncommented = regexp.MustCompile(`url: private`).ReplaceAll(uncommented, []byte("url: redis://h"))
	full, err := Parse(exampleFile, uncommented, envOf(map[string]string{"YARD_PASSWORD": "x", "REDIS_PASSWORD": "y"}))
	if err != nil {
		t.Fatalf("with the comments taken away: %v", err)
	}
	if full.Cameras[3].Output != "full" || full.Redis.Password != "y" || full.Ring.Group != "video" {
		t.Errorf("got %+v, want what the comments say", full)
	}
	// ... and it is the default where it says so.
	full.Ring.Group, full.Ring.Dir = "", cfg.Ring.Dir
	full.Redis.Mode, full.Redis.URL, full.Redis.Username, full.Redis.Password = "private", "", "", ""
	full.Cameras[3].Output = "main"
	full.Cameras[3].Transport = "tcp"
	if diff := cmp.Diff(cfg, full); diff != "" {
		t.Errorf("what the comments show as default is not: file -, comments +:\n%s", diff)
	}
}
