// SPDX-License-Identifier: Apache-2.0

//go:build cgo

// Package layoutcheck tells tests what the C compiler makes of the layout header: sizes, offsets and
// constants. Tests cannot import "C" themselves; nothing else may import this package.
package layoutcheck

// #cgo CFLAGS: -std=c11 -Wall -Wextra
// #include "layoutcheck.h"
import "C"

// Field is one field of a C structure, or, without a name, the structure itself. Bytes.
type Field struct {
	Struct, Name string
	Offset, Size uintptr
}

// Fields returns the structures of ring/layout.h, each followed by its fields in their order.
func Fields() []Field {
	var fields []Field
	var f C.layoutcheck_field
	for i := C.size_t(0); C.layoutcheck_field_at(i, &f) == 0; i++ {
		fields = append(fields, Field{
			Struct: C.GoString(f.structure), Name: C.GoString(f.field),
			Offset: uintptr(f.offset), Size: uintptr(f.size),
		})
	}
	return fields
}

// Constants returns the constants of ring/layout.h by their C names.
func Constants() map[string]uint64 {
	constants := map[string]uint64{}
	var c C.layoutcheck_constant
	for i := C.size_t(0); C.layoutcheck_constant_at(i, &c) == 0; i++ {
		constants[C.GoString(c.name)] = uint64(c.value)
	}
	return constants
}
