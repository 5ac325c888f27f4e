#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the clip that the demo's cameras show: .demo/clip.mp4, and the same coded pictures as
# .demo/clip.ts. It comes from small.mp4 of the gocv module (560x320, 166 pictures, Apache-2.0),
# which has a single keyframe: here it gets one per second, as cameras send, and loses its sound.
#
# usage: demo.sh [FOLDER]

set -eu

folder=${1:-.demo}
module=gocv.io/x/gocv@v0.31.0

mkdir -p "$folder"
if [ -s "$folder/clip.mp4" ] && [ -s "$folder/clip.ts" ]; then
    exit 0
fi

work=$(mktemp -d)
new="$folder/.new.$$"
trap 'rm -rf "$work" "$new"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$new"

# Only files of the module are used, so it is not in go.mod: look it up outside of any module.
if ! (cd "$work" && GOWORK=off GOFLAGS=-mod=mod go mod download -json "$module") >"$work/module.json"; then
    cat "$work/module.json" >&2
    echo "demo: no clip: $module can be neither found nor fetched (is there a network, or a GOPROXY?)" >&2
    exit 1
fi
clip=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p' "$work/module.json")/images/small.mp4
if [ ! -r "$clip" ]; then
    echo "demo: no clip: $clip is not there" >&2
    exit 1
fi

ffmpeg="ffmpeg -hide_banner -nostdin -loglevel error -y"
# No B-frames: pictures leave the decoder in the order they arrive, as a camera's do.
$ffmpeg -i "$clip" -map 0:v:0 -an -c:v libx264 -preset medium -crf 20 -pix_fmt yuv420p -bf 0 \
    -g 30 -keyint_min 30 -sc_threshold 0 -movflags +faststart "$new/clip.mp4"
$ffmpeg -i "$new/clip.mp4" -map 0:v:0 -c copy -f mpegts "$new/clip.ts"
mv -f "$new/clip.ts" "$folder/clip.ts"
mv -f "$new/clip.mp4" "$folder/clip.mp4"
