//go:build !linux && !windows

package cuda

import "errors"

func openLibrary() (uintptr, error) { return 0, errors.New("NVIDIA has no driver for this system") }

func symbol(uintptr, string) (uintptr, error) { return openLibrary() }
