// SPDX-License-Identifier: Apache-2.0

package config

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"camring/ring"

	"github.com/goccy/go-yaml/ast"
)

//go:embed demo.yaml
var demoYAML []byte

// Schema is the JSON schema of the configuration file, for editors.
//
//go:embed schema.json
var Schema []byte

// The variables that stand in for a file; see [Demo] and [FromCameras].
const (
	camerasVariable  = "CAMRING_CAMERAS"
	demoRTSPVariable = "CAMRING_DEMO_RTSP"
	demoClipVariable = "CAMRING_DEMO_CLIP"
)

// file is what a configuration file may have at its top.
type file struct {
	cameras, defaults, redis, http, ring, log value
}

var fileKeys = []key[file]{
	{"cameras", func(_ *decoder, f *file, v value) { f.cameras = v }},
	{"defaults", func(_ *decoder, f *file, v value) { f.defaults = v }},
	{"redis", func(_ *decoder, f *file, v value) { f.redis = v }},
	{"http", func(_ *decoder, f *file, v value) { f.http = v }},
	{"ring", func(_ *decoder, f *file, v value) { f.ring = v }},
	{"log", func(_ *decoder, f *file, v value) { f.log = v }},
}

var laterFileKeys = []string{
	"workers", "receivers", "hwaccel", "api", "cluster", "shard", "state", "tape", "profile", "limits",
}

// Load reads the file at path; environment variables are those of the process. See [Parse].
func Load(path string) (*Config, error) {
	// Not blocking, so that a FIFO cannot stop the start.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("configuration: %s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse reads data, the content of a file called name. Relative paths in it are relative to the
// folder of name. env looks an environment variable up, as [os.LookupEnv] does; CAMRING_SECTION_KEY
// (CAMRING_REDIS_URL, CAMRING_HTTP_LISTEN, ...) wins over the file. Files that password_file names
// are read; no camera, ring or server is touched.
//
// The error is an errors.Join of *[Error], all there is to mend.
func Parse(name string, data []byte, env func(string) (string, bool)) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	root, err := readDocument(name, data)
	if err != nil {
		return nil, err
	}
	d := newDecoder(name, dir, env)
	d.collectAnchors(root, map[string]ast.Node{})
	var f file
	if root != nil {
		v := value{at: d.at(root), node: root}
		fields(d, &f, v, fileKeys, laterFileKeys)
	}
	cfg := d.sections(&f)
	cfg.Path = name
	base := d.defaults(f.defaults)
	if f.cameras.node != nil {
		d.cameras(cfg, f.cameras, base)
	}
	if len(cfg.Cameras) == 0 && len(d.found) == 0 {
		d.add(place{file: name}, "no cameras: want at least one under cameras:, such as front: rtsp://host/path")
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func newDecoder(file, dir string, env func(string) (string, bool)) *decoder {
	return &decoder{file: file, dir: dir, env: env, anchors: map[*ast.AliasNode]ast.Node{}}
}

// sections returns the defaults with all of f but the cameras, and the variables.
func (d *decoder) sections(f *file) *Config {
	cfg := Default()
	d.redis(&cfg.Redis, f.redis)
	section(d, "http", &cfg.HTTP, f.http, httpKeys, laterHTTPKeys)
	section(d, "ring", &cfg.Ring, f.ring, ringKeys, nil)
	section(d, "log", &cfg.Log, f.log, logKeys, laterLogKeys)
	return cfg
}

// FromCameras returns the defaults with the cameras of list, which is what the environment variable
// CAMRING_CAMERAS holds: "front=rtsp://host/path yard=/path/clip.mp4". Relative paths start in the
// working directory. The other CAMRING_SECTION_KEY variables of the process apply.
func FromCameras(list string) (*Config, error) { return parseCameras(list, os.LookupEnv) }

func parseCameras(list string, env func(string) (string, bool)) (*Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	d := newDecoder(camerasVariable, dir, env)
	cfg := d.sections(&file{})
	at := place{file: camerasVariable}
	var entries []entry
	seen := map[string]bool{}
	for item := range strings.FieldsSeq(list) {
		name, source, found := strings.Cut(item, "=")
		switch {
		case !found || !ring.ValidName(name):
			d.add(at, "camera name %s: %s, then = and its source", quote(name), nameRule)
		case seen[name]:
			d.add(at, "camera %s is there twice", name)
		default:
			entries = append(entries, entry{key: name, keyAt: at, value: value{at: at, path: name, text: source}})
		}
		seen[name] = true
	}
	d.addCameras(cfg, entries, defaultCamera())
	if len(cfg.Cameras) == 0 && len(d.found) == 0 {
		d.add(at, "no cameras: want name=source, such as front=rtsp://host/path")
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// Demo returns the embedded configuration of three cameras: rtsp at rtspURL, file, which loops the
// file clip, and test, a synthetic one. The CAMRING_SECTION_KEY variables of the process apply.
func Demo(rtspURL, clip string) (*Config, error) {
	cfg, err := Parse("demo.yaml", demoYAML, func(name string) (string, bool) {
		switch name {
		case demoRTSPVariable:
			return rtspURL, true
		case demoClipVariable:
			return clip, true
		}
		return os.LookupEnv(name)
	})
	if cfg != nil {
		cfg.Path = "" // there is no such file
	}
	return cfg, err
}
