//go:build emulator && linux

package emulator

import (
	"fmt"
	"reflect"
	"strings"
)

// Layout tells offset, size and name of the fields of a kernel's parameter, to be compared with that of its Go type.
// Fields that are called pad are left out.
func (k Kernel) Layout() string { return layout(k.Fields) }

// Layout tells offset, size and name of the fields of a struct as [Kernel.Layout] does. Fields that are called _ are
// left out.
func Layout(of reflect.Type) string { return layout(fieldsOf(of, "", 0)) }

func layout(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		if f.Name == "pad" || strings.HasSuffix(f.Name, ".pad") {
			continue
		}
		fmt.Fprintf(&b, "\t%4d %4d %s\n", f.Offset, f.Bytes, strings.ToLower(f.Name))
	}
	return b.String()
}

// fieldsOf lists the fields of a struct as the emulator does.
func fieldsOf(of reflect.Type, path string, offset int) []Field {
	var list []Field
	for i := range of.NumField() {
		f := of.Field(i)
		at, name, element := offset+int(f.Offset), path+f.Name, f.Type
		if f.Name == "_" {
			continue
		}
		if f.Type.Kind() == reflect.Array {
			element = f.Type.Elem()
		}
		if element.Kind() != reflect.Struct || element != f.Type {
			list = append(list, Field{Name: name, Offset: at, Bytes: int(f.Type.Size())})
		}
		if element.Kind() == reflect.Struct {
			if element != f.Type {
				name += "[0]"
			}
			list = append(list, fieldsOf(element, name+".", at)...)
		}
	}
	return list
}
