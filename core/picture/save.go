// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"camring/ring"
)

// DefaultQuality is a JPEG quality that shows no blocks in camera pictures.
const DefaultQuality = 90

// WritePNG writes the picture as a PNG. Errors as [Convert], or of w.
func WritePNG(w io.Writer, d ring.FrameDesc, p Planes) error {
	img, err := Convert(d, p)
	if err != nil {
		return err
	}
	return encodePNG(w, img)
}

// WriteJPEG writes the picture as a JPEG of quality 1 to 100; others are moved to the nearer end.
// JPEG is full range and BT.601 whatever the picture was, so the colours stay. Errors as [Convert],
// or of w; 65535 pixels a side are the format's limit.
func WriteJPEG(w io.Writer, d ring.FrameDesc, p Planes, quality int) error {
	img, err := Convert(d, p)
	if err != nil {
		return err
	}
	return encodeJPEG(w, img, quality)
}

// Save writes the picture to path, whose extension, .png, .jpg or .jpeg in any case, chooses the
// format; quality is for JPEG. A file that exists is replaced in one step: nobody ever sees half a
// picture, and an error leaves the old file as it was.
func Save(path string, d ring.FrameDesc, p Planes, quality int) error {
	encode := encodePNG
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
	case ".jpg", ".jpeg":
		encode = func(w io.Writer, img image.Image) error { return encodeJPEG(w, img, quality) }
	default:
		return fmt.Errorf("save picture as %s: the name must end in .png, .jpg or .jpeg", path)
	}
	img, err := Convert(d, p)
	if err != nil {
		return fmt.Errorf("save picture as %s: %w", path, err)
	}
	if err := replace(path, func(w io.Writer) error { return encode(w, img) }); err != nil {
		return fmt.Errorf("save picture as %s: %w", path, err)
	}
	return nil
}

func encodePNG(w io.Writer, img image.Image) error {
	// Camera noise does not compress: the best level costs seconds and saves a few per cent.
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img)
}

func encodeJPEG(w io.Writer, img image.Image, quality int) error {
	return jpeg.Encode(w, img, &jpeg.Options{Quality: min(max(quality, 1), 100)})
}

// replace writes a file beside path and renames it. The mode is that of a file which the user would
// have created.
func replace(path string, write func(io.Writer) error) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+strconv.FormatUint(rand.Uint64(), 36))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<16)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}
