// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// results collects the lines of one measurement: the environment, then one line per sample. The file
// appears whole, when the measurement has ended.
type results struct {
	env   *Env
	began time.Time
	lines []any
}

func newResults(e *Env) *results { return &results{env: e, began: time.Now()} }

func (r *results) add(sample any) { r.lines = append(r.lines, sample) }

func (r *results) write(dir string) error {
	r.env.LoadAfter = load()
	r.env.Seconds = float64(time.Since(r.began).Round(time.Second)) / float64(time.Second)
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for _, l := range append([]any{r.env}, r.lines...) {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("results of %s: %w", r.env.Name, err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.env.Name+".jsonl"), text.Bytes(), 0o644)
}

// Read returns the environment and the samples of a measurement.
func Read[T any](dir, name string) (*Env, []T, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".jsonl"))
	if err != nil {
		return nil, nil, err
	}
	env := &Env{}
	var samples []T
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var into any = env
		if n > 1 {
			samples = append(samples, *new(T))
			into = &samples[len(samples)-1]
		}
		if err := json.Unmarshal(lines.Bytes(), into); err != nil {
			return nil, nil, fmt.Errorf("%s.jsonl, line %d: %w", name, n, err)
		}
	}
	if env.Kind != "env" || len(samples) == 0 {
		return nil, nil, fmt.Errorf("%s.jsonl: no environment in its first line, or no sample after it", name)
	}
	return env, samples, lines.Err()
}
