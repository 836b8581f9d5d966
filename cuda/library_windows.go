package cuda

import "golang.org/x/sys/windows"

// openLibrary looks in the system's folder alone.
func openLibrary() (uintptr, error) {
	library, err := windows.LoadLibraryEx("nvcuda.dll", 0, windows.LOAD_LIBRARY_SEARCH_SYSTEM32)
	return uintptr(library), err
}

func symbol(library uintptr, name string) (uintptr, error) {
	return windows.GetProcAddress(windows.Handle(library), name)
}
