// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"slices"
	"strings"

	"camring/ring"

	"github.com/goccy/go-yaml/ast"
)

const nameRule = "want 1 to 63 of a-z, 0-9, _ and -, the first a letter or digit"

// The bounds of slots; three are needed to write, hold and read at once, 64 is what a reader's
// lease mask has room for.
const minSlots, maxSlots = 2, 64

// draft is a camera while its keys are read.
type draft struct {
	Camera
	urlGiven    bool // the URL has a user or a password
	urlUser     string
	urlPassword Secret
}

// defaultKeys are the keys that defaults: may have, ownKeys those that only make sense for a single
// camera, cameraKeys both, and laterCameraKeys those that this version refuses by name.
var (
	defaultKeys = []key[draft]{
		{"enabled", func(d *decoder, c *draft, v value) { set(&c.Enabled)(d.boolean(v)) }},
		{"username", func(d *decoder, c *draft, v value) { set(&c.Username)(d.credential(v)) }},
		{"password", func(d *decoder, c *draft, v value) {
			if text, ok := d.credential(v); ok {
				c.Password = Secret(text)
			}
		}},
		{"password_file", func(d *decoder, c *draft, v value) { set(&c.Password)(d.passwordFile(v)) }},
		{"transport", func(d *decoder, c *draft, v value) { set(&c.Transport)(d.choice(v, "auto", "tcp", "udp")) }},
		{"loop", func(d *decoder, c *draft, v value) { set(&c.Loop)(d.boolean(v)) }},
		{"pace", func(d *decoder, c *draft, v value) { set(&c.Pace)(d.choice(v, "realtime", "fast")) }},
		{"slots", func(d *decoder, c *draft, v value) { set(&c.Slots)(d.integer(v, minSlots, maxSlots)) }},
		{"group", func(d *decoder, c *draft, v value) { set(&c.Group)(d.label(v)) }},
		{"location", func(d *decoder, c *draft, v value) { set(&c.Location)(d.label(v)) }},
		{"outputs", func(d *decoder, c *draft, v value) { d.outputs(c, v) }},
	}
	ownKeys = []key[draft]{
		{"url", func(d *decoder, c *draft, v value) { d.source(c, v) }},
		{"stream_key", func(d *decoder, c *draft, v value) { set(&c.StreamKey)(d.label(v)) }},
		{"camera_id", func(d *decoder, c *draft, v value) { set(&c.CameraID)(d.label(v)) }},
		{"topic", func(d *decoder, c *draft, v value) { set(&c.Topic)(d.label(v)) }},
	}
	cameraKeys      = append(slices.Clone(ownKeys), defaultKeys...)
	laterCameraKeys = []string{
		"fps", "quality", "size", "fit", "format", "hwaccel", "device", "decode", "similar",
		"on_corrupt", "compat", "jpeg",
	}
	outputKeys = []key[string]{
		{"format", func(d *decoder, format *string, v value) {
			text, ok := d.str(v)
			if *format = text; ok && text != "nv12" {
				d.fail(v, "not supported by this version: only nv12 is")
			}
		}},
	}
	laterOutputKeys = []string{"size", "fit", "fps", "quality", "matrix", "range", "slots"}
)

// set returns a function that stores a value unless reading it failed.
func set[T any](to *T) func(T, bool) {
	return func(v T, ok bool) {
		if ok {
			*to = v
		}
	}
}

func (d *decoder) source(c *draft, v value) {
	text, ok := d.str(v)
	if !ok {
		return
	}
	source, user, password, given, err := parseSource(text, d.dir)
	if err != nil {
		d.fail(v, "%v", err)
		return
	}
	c.Source, c.urlGiven, c.urlUser, c.urlPassword = source, given, user, password
}

// outputs reads the outputs of a camera: one, of the decoded size and format, in this version.
func (d *decoder) outputs(c *draft, v value) {
	entries := d.entries(v)
	if len(entries) != 1 {
		d.fail(v, "want exactly one output: more are not supported by this version")
		return
	}
	e := entries[0]
	if !ring.ValidName(e.key) {
		d.fail(value{at: e.keyAt, path: v.path}, "output name %s: %s", quote(e.key), nameRule)
		return
	}
	var format string
	fields(d, &format, e.value, outputKeys, laterOutputKeys)
	c.Output = e.key
}

// defaults returns the camera that the defaults: map describes.
func (d *decoder) defaults(v value) Camera {
	base := draft{Camera: defaultCamera()}
	if v.node == nil {
		return base.Camera
	}
	keys := slices.Clone(defaultKeys)
	for _, k := range ownKeys {
		keys = append(keys, key[draft]{k.name, func(d *decoder, _ *draft, v value) {
			d.fail(v, "differs between cameras: put it under each of them")
		}})
	}
	d.onePassword(fields(d, &base, v, keys, laterCameraKeys))
	return base.Camera
}

// cameras reads the cameras: map. base has what defaults: said.
func (d *decoder) cameras(cfg *Config, v value, base Camera) {
	var entries []entry
	for _, e := range d.entries(v) {
		if !ring.ValidName(e.key) {
			d.fail(value{at: e.keyAt, path: v.path}, "camera name %s: %s", quote(e.key), nameRule)
			continue
		}
		entries = append(entries, e)
	}
	d.addCameras(cfg, entries, base)
}

// addCameras reads cameras with good names into cfg.
func (d *decoder) addCameras(cfg *Config, entries []entry, base Camera) {
	topics := map[string]string{}
	for _, e := range entries {
		c := d.camera(e, base)
		c.Slots = cmp.Or(c.Slots, cfg.Ring.Slots)
		if other, taken := topics[c.Topic]; taken && c.Enabled {
			d.fail(value{at: e.keyAt, path: e.path},
				"its topic %s is that of camera %s too: give one of them another topic or camera_id",
				quote(c.Topic), other)
		} else if c.Enabled {
			topics[c.Topic] = c.Name
		}
		cfg.Cameras = append(cfg.Cameras, c)
	}
	slices.SortFunc(cfg.Cameras, func(a, b Camera) int { return strings.Compare(a.Name, b.Name) })
}

// camera reads one camera: a URL, or a map.
func (d *decoder) camera(e entry, base Camera) Camera {
	c := draft{Camera: base}
	c.Name = e.key
	var own map[string]entry
	if e.node == nil || d.isScalar(e.node) {
		d.source(&c, e.value)
	} else {
		own = fields(d, &c, e.value, cameraKeys, laterCameraKeys)
		if _, ok := own["url"]; !ok {
			d.fail(value{at: e.keyAt, path: e.path}, "no url: %s", allowedSources)
		}
	}
	if c.Source.Kind != "" {
		d.fitKind(&c, own)
		d.credentials(&c, own, e)
	}
	c.StreamKey = cmp.Or(c.StreamKey, c.Name)
	c.CameraID = cmp.Or(c.CameraID, c.Name)
	c.Topic = cmp.Or(c.Topic, c.CameraID+"_input_topic")
	return c.Camera
}

func (d *decoder) isScalar(n ast.Node) bool {
	_, _, ok := scalarText(d.resolve(n))
	return ok
}

// fitKind refuses keys of the camera itself that its kind of source has no use for; what defaults:
// said for other cameras is dropped.
func (d *decoder) fitKind(c *draft, own map[string]entry) {
	refuse := func(what string, keys ...string) {
		for _, k := range keys {
			if e, ok := own[k]; ok {
				d.fail(value{at: e.keyAt, path: e.path}, "only for %s", what)
			}
		}
	}
	if c.Source.Kind != KindRTSP {
		refuse("rtsp and rtsps", "transport", "username", "password", "password_file")
		c.Transport, c.Username, c.Password = "auto", "", ""
	}
	if c.Source.Kind != KindFile {
		refuse("files", "loop")
		c.Loop = false
	}
	if c.Source.Kind == KindRTSP {
		refuse("files and test patterns", "pace")
		c.Pace = "realtime"
	}
}

// credentials decides between those in the URL, those beside it and those of defaults:, in this
// order; the first two together are a mistake.
func (d *decoder) credentials(c *draft, own map[string]entry, e entry) {
	d.onePassword(own)
	secret, hasSecret := own["password"]
	if file, ok := own["password_file"]; ok {
		secret, hasSecret = file, true
	}
	name, hasName := own["username"]
	if c.urlGiven {
		if hasName && c.urlUser != "" {
			d.fail(value{at: name.keyAt, path: name.path}, "the URL has a user already: keep one of the two")
		}
		if hasSecret && c.urlPassword != "" {
			d.fail(value{at: secret.keyAt, path: secret.path}, "the URL has a password already: keep one of the two")
		}
		if !hasName {
			c.Username = c.urlUser
		}
		if !hasSecret {
			c.Password = c.urlPassword
		}
	}
	if c.Password != "" && c.Username == "" {
		d.fail(value{at: e.keyAt, path: e.path}, "a password without a username")
	}
}

func (d *decoder) onePassword(given map[string]entry) {
	_, both := given["password"]
	if e, ok := given["password_file"]; ok && both {
		d.fail(value{at: e.keyAt, path: e.path}, "there is a password too: keep one of the two")
	}
}
