//go:build !darwin

package metal

import "errors"

func loadObjC() (objc, error) {
	return nil, errors.New("only macOS has Metal: use -b cpu")
}
