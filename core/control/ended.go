// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"os"

	"camring/ring"
)

// EndedBy turns what ended an attempt into the message for the supervisor, as far as the rings and the
// file system are concerned; other reasons are the caller's to set.
func EndedBy(err error) Ended {
	if err == nil {
		return Ended{Reason: ring.ReasonInternal, Detail: "the attempt ended without a reason"}
	}
	ended := Ended{Reason: ring.ReasonInternal, Detail: err.Error()}
	var space *ring.NoSpaceError
	switch {
	case errors.As(err, &space):
		ended.Reason = ring.ReasonNoSpace
	case errors.Is(err, os.ErrPermission):
		ended.Reason = ring.ReasonPermission
	case errors.Is(err, ring.ErrBusy):
		ended.Detail = fmt.Sprintf("%v: another camring serves a camera of this name in this ring directory", err)
	}
	return ended
}
