package cuda

import (
	"fmt"
	"unsafe"
)

// Device is a GPU of this machine.
type Device struct {
	Index  int
	Name   string
	Memory int64 // bytes
	// Compute capability.
	Major, Minor int
	// Driver is the newest CUDA that the driver knows, as in "13.0".
	Driver string

	handle  uintptr
	version int // of the driver, 1000 major + 10 minor
}

// Describe is one line for people.
func (d Device) Describe() string {
	return fmt.Sprintf("%s, compute capability %d.%d, driver of CUDA %s", d.Name, d.Major, d.Minor, d.Driver)
}

// Devices lists the GPUs, in the driver's order.
func Devices() ([]Device, error) {
	d, err := openDriver()
	if err != nil {
		return nil, err
	}
	var count int32
	if err := d.call("cuDeviceGetCount", uintptr(unsafe.Pointer(&count))); err != nil {
		return nil, err
	}
	list := make([]Device, count)
	for i := range list {
		if list[i], err = d.device(i); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (d driver) device(index int) (Device, error) {
	dev := Device{Index: index}
	var handle, version int32
	if err := d.call("cuDeviceGet", uintptr(unsafe.Pointer(&handle)), uintptr(index)); err != nil {
		return dev, err
	}
	dev.handle = uintptr(handle)
	name := make([]byte, 256)
	if err := d.call("cuDeviceGetName", uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), dev.handle); err != nil {
		return dev, err
	}
	dev.Name = goString(name)
	if err := d.call("cuDeviceTotalMem_v2", uintptr(unsafe.Pointer(&dev.Memory)), dev.handle); err != nil {
		return dev, err
	}
	if err := d.call("cuDriverGetVersion", uintptr(unsafe.Pointer(&version))); err != nil {
		return dev, err
	}
	dev.version = int(version)
	dev.Driver = fmt.Sprintf("%d.%d", version/1000, version%1000/10)
	var err error
	if dev.Major, err = d.attribute(dev.handle, capabilityMajor); err != nil {
		return dev, err
	}
	dev.Minor, err = d.attribute(dev.handle, capabilityMinor)
	return dev, err
}

// Attributes of a device (CUdevice_attribute).
const (
	multiprocessorCount = 16
	l2CacheSize         = 38
	capabilityMajor     = 75
	capabilityMinor     = 76
	sharedMemoryOptIn   = 97
)

func (d driver) attribute(device uintptr, attribute int) (int, error) {
	var value int32
	err := d.call("cuDeviceGetAttribute", uintptr(unsafe.Pointer(&value)), uintptr(attribute), device)
	return int(value), err
}
